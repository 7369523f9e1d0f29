// The script as a tag of a page: its attributes are its options, and `window.sojourn` is what the page calls.

import { begin, type Options } from "./begin.js"
import type { Looks } from "./board.js"
import { attempt } from "./storage.js"

declare const VIEWS_INTEGRITY: string
declare const VIEWS_ADDRESS: string
type Queued = [string, ...unknown[]]
interface Policy {
  createScriptURL(url: string): string
}
const page = window as unknown as {
  sojourn?: unknown
  sojournViews?: Looks
  trustedTypes?: { createPolicy(name: string, rules: Policy): Policy }
}

const rules: Policy = { createScriptURL: (given) => given }
// A page's own policy may refuse to have it made twice.
let policy: Policy | undefined

/** Load the second script, which is of the same build by its hash. */
const loadLooks = (url: string) => (): Promise<Looks> =>
  new Promise((resolve, reject) => {
    const tag = document.createElement("script")
    policy ??= page.trustedTypes?.createPolicy("sojourn", rules) ?? rules
    Object.assign(tag, {
      src: policy.createScriptURL(`${url}/${VIEWS_ADDRESS}`),
      integrity: VIEWS_INTEGRITY,
      crossOrigin: "anonymous",
      onload: () => resolve(page.sojournViews!),
      onerror: reject,
    })
    document.head.append(tag)
  })

attempt(() => {
  const tag = document.currentScript as HTMLScriptElement | null
  const { key, url, userId, userToken, headless, trackPages, debug } = tag?.dataset ?? {}
  const queued = Array.isArray(page.sojourn) ? (page.sojourn as Queued[]) : []
  const load = (options: Options) =>
    (page.sojourn = Object.assign(begin(options, loadLooks(options.url.replace(/\/+$/, ""))), { load }))
  page.sojourn = { load }
  const run = () => {
    if (key) {
      load({
        // Beside the script, also where the API is below a path.
        url: url ?? new URL(".", tag!.src).href,
        writeKey: key,
        userId,
        userToken,
        headless: headless != null,
        trackPages: trackPages != null,
        debug: debug != null,
      })
    }
    // Calls from before the script was there: sojourn.push(["track", "Event"]).
    for (const [name, ...given] of queued) {
      attempt(() => (page.sojourn as Record<string, (...all: unknown[]) => unknown>)[name]!(...given))
    }
  }
  if (document.body) run()
  else document.addEventListener("DOMContentLoaded", () => attempt(run))
})
