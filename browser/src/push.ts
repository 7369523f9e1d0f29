// Web push: the device of this browser. Ask by a button of your own, since browsers want a click first.

import type { Http } from "./http.js"
import { makeId, read, write } from "./storage.js"

const DEVICE = "sojourn.device"

/** Subscribe to push messages of a VAPID key; false if the person or the browser does not want them. */
export async function subscribePush(http: Http, registration: ServiceWorkerRegistration, publicKey: string): Promise<boolean> {
  if ((await Notification.requestPermission()) !== "granted") return false
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey })
  const { endpoint: value, keys } = subscription.toJSON()
  const id = read(DEVICE) ?? makeId()
  const answer = await http.send(`/v1/client/devices/${id}`, {
    method: "PUT",
    body: JSON.stringify({ kind: "endpoint", value, keys }),
  })
  if (answer.ok) write(DEVICE, id)
  return answer.ok
}

/** Send this browser no more, since its person has logged out. */
export async function forgetDevice(http: Http): Promise<void> {
  const id = read(DEVICE)
  if (!id) return
  write(DEVICE, null)
  await http.send(`/v1/client/devices/${id}`, { method: "DELETE", keepalive: true })
}
