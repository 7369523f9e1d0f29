// The service worker of web push: it shows notifications, and reports what becomes of them.
//
// Serve it from your own origin, or load it from your own worker: importScripts("https://journeys.example.com/sojourn-sw.js").
// Each notification carries the address for its reports, so this file has no key and no configuration.
"use strict";

(() => {
  const report = (data, kind, action) => {
    if (!data.report_url) return Promise.resolve();
    const query = action ? `?action=${encodeURIComponent(action)}` : "";
    // Not answered to the page: no preflight, no cookies, and it survives the worker's end.
    const wanted = { method: "POST", mode: "no-cors", credentials: "omit", keepalive: true };
    return fetch(`${data.report_url}/${kind}${query}`, wanted).catch(() => undefined);
  };

  const read = (event) => {
    try {
      return event.data.json();
    } catch {
      return null;
    }
  };

  self.addEventListener("push", (event) => {
    const data = read(event);
    // The push of another sender is for another listener.
    if (!data || !data.message_id || !data.title) return;
    const shown = {
      body: data.body,
      image: data.image,
      tag: data.tag,
      data,
      actions: (data.actions || []).map(({ id, title }) => ({ action: id, title })),
    };
    const badge = "setAppBadge" in self.navigator && "badge" in data
      ? self.navigator.setAppBadge(data.badge).catch(() => undefined)
      : undefined;
    event.waitUntil(
      Promise.all([self.registration.showNotification(data.title, shown), report(data, "delivered"), badge]),
    );
  });

  const open = async (url) => {
    if (!/^https?:\/\//i.test(url || "")) return;
    const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
    const known = windows.find((one) => one.url === url);
    if (known) {
      await known.focus();
    } else {
      await self.clients.openWindow(url);
    }
  };

  self.addEventListener("notificationclick", (event) => {
    const data = event.notification.data;
    if (!data || !data.message_id) return;
    event.notification.close();
    const action = (data.actions || []).find(({ id }) => id === event.action);
    const url = (action && action.url) || data.url;
    event.waitUntil(Promise.all([report(data, "opened", action && action.id), open(url)]));
  });

  self.addEventListener("notificationclose", (event) => {
    const data = event.notification.data;
    if (data && data.message_id) event.waitUntil(report(data, "dismissed"));
  });
})();
