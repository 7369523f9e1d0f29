// Slots: other content in place of an element's own, which comes back when the message goes.

import { h, safeUrl, whenSeen } from "../dom.js"
import type { Stage } from "./stage.js"
import { cover, listActions, write } from "./parts.js"

/** Replace the children of an element. The page's own style applies, as it does to its other content. */
export function showSlot(stage: Stage, element: Element, see: () => void): void {
  const { text, image, url, actions } = stage.content
  const own = [...element.childNodes]
  const href = safeUrl(url)
  const parts = [cover(image), write(stage, text), listActions(stage, actions)].filter(Boolean) as Node[]
  // Without anything to show it is data, for a script of the page.
  if (parts.length) {
    element.replaceChildren(...(href ? [h("a", { href, click: () => stage.follow(href) }, parts)] : parts))
    stage.onEnd(() => element.replaceChildren(...own))
  }
  stage.onEnd(whenSeen(element, see))
}
