// Elements marked with `data-sojourn-slot`: they are hidden for a moment at most, until it is known what they show.

import type { Message } from "./contract.js"
import { toLocal } from "./clock.js"
import { onChanges } from "./dom.js"
import type { Http } from "./http.js"

export const MAX_HIDDEN_MS = 300
// Names that the API takes at a time.
const MAX_NAMES = 20

/** Fill the slots that the page has now and later. `fill` shows a message in an element if it may, after `prepare`. */
export function fillSlots(
  http: Http,
  signal: AbortSignal,
  prepare: () => Promise<void>,
  fill: (element: Element, message: Message) => void,
): void {
  const known = new WeakSet<Element>()
  const look = () => {
    const found = [...document.querySelectorAll<HTMLElement>("[data-sojourn-slot]")].filter((one) => !known.has(one))
    if (!found.length) return
    found.forEach((one) => {
      known.add(one)
      one.style.visibility = "hidden"
    })
    for (let at = 0; at < found.length; at += MAX_NAMES) void ask(found.slice(at, at + MAX_NAMES))
  }
  const ask = async (elements: HTMLElement[]) => {
    const limit = new AbortController()
    const reveal = () => {
      limit.abort()
      elements.forEach((one) => (one.style.visibility = ""))
    }
    const timer = setTimeout(reveal, MAX_HIDDEN_MS)
    try {
      const name = (one: Element) => one.getAttribute("data-sojourn-slot")!
      const names = encodeURIComponent([...new Set(elements.map(name))].join())
      const asked = http.send(`/v1/client/slots?names=${names}`, { signal: limit.signal })
      const [answer] = await Promise.all([asked, prepare()])
      const { slots } = (await answer.json()) as { slots: Record<string, Message | null> }
      if (signal.aborted || limit.signal.aborted) return
      for (const one of elements) {
        const message = slots[name(one)]
        if (message) fill(one, toLocal(message))
      }
    } catch {
      // The default stays.
    } finally {
      clearTimeout(timer)
      reveal()
    }
  }
  look()
  signal.addEventListener("abort", onChanges(look))
}
