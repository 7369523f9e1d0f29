// Tells the story of test_real_clients.py by @segment/analytics-node, unmodified: URL, key and prefix of the ids.

import { Analytics } from "@segment/analytics-node";

const [host, writeKey, prefix] = process.argv.slice(2);
const [leaves, buys, anonymous] = ["leaves", "buys", "anonymous"].map((name) => `${prefix}-${name}`);
const around = { context: { ip: "192.0.2.1" }, integrations: { All: true } };
const failures = [];

const analytics = new Analytics({ host, writeKey, maxRetries: 2, flushAt: 100 });
analytics.on("error", (error) => failures.push([error.code, error.reason?.message ?? null]));

analytics.page({ anonymousId: anonymous, category: "Docs", name: "Pricing", properties: { tab: 2 }, ...around });
for (const userId of [leaves, buys]) {
  const traits = { email: `${userId}@example.com`, since: new Date("2026-01-02T00:00:00Z") };
  analytics.identify({ userId, traits, ...around });
}
analytics.alias({ previousId: anonymous, userId: leaves, ...around });
analytics.group({ userId: leaves, groupId: "g-1", traits: { name: "Analytical Engines" }, ...around });
analytics.screen({ userId: leaves, name: "Basket", properties: { tab: 3 }, ...around });
for (const userId of [leaves, buys]) {
  analytics.track({ userId, event: "Cart Abandoned", properties: { cart_id: "c-9", value: 129.5 }, ...around });
}
analytics.track({ userId: buys, event: "Order Completed", properties: { cart_id: "c-9" }, ...around });

await analytics.closeAndFlush();
console.log(JSON.stringify(failures));
