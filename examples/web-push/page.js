// Your server answers /session for the user who is logged in: {url, writeKey, publicKey, userId, userToken, deviceId}.
const subscribe = async ({ url, writeKey, publicKey, userId, userToken, deviceId }) => {
  if ((await Notification.requestPermission()) !== "granted") return "Notifications are not allowed.";
  await navigator.serviceWorker.register("worker.js");
  const registration = await navigator.serviceWorker.ready;
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  const device = { id: deviceId, type: "browser", subscription: subscription.toJSON() };
  const call = { writeKey, userId, traits: { consent: { push: true } }, context: { userToken, device } };
  const answer = await fetch(`${url}/v1/identify`, { method: "POST", body: JSON.stringify(call) });
  return answer.ok ? "You will be notified." : `The server answered ${answer.status}.`;
};

document.querySelector("button").addEventListener("click", async () => {
  const session = await (await fetch("/session")).json();
  document.querySelector("[role=status]").textContent = await subscribe(session);
});
