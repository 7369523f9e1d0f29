// A box beside an element of the page, which it follows.

import { ANCHOR_MS } from "../board.js"
import type { Side } from "../contract.js"
import { find, h } from "../dom.js"
import { choosePlace } from "../rules.js"
import { label, mount } from "./frame.js"
import type { Stage } from "./stage.js"
import { closer, listActions, onEscape, write } from "./parts.js"

export function showTooltip(stage: Stage): void {
  const { title, text, actions, anchor, side } = stage.content
  const close = () => stage.dismiss()
  const box = h(
    "div",
    { class: "box bubble", role: "dialog", "aria-label": title ?? label(stage, "message") },
    h("div", { class: "main" }, title && h("p", { class: "title" }, title), write(stage, text), listActions(stage, actions)),
    closer(stage),
  )
  stage.onEnd(onEscape(document, close))
  mount(stage, box)
  stage.onEnd(
    stickTo(box, anchor!, side, () => {
      stage.react("failed", { reason: "anchor" })
      stage.leave()
    }),
  )
}

// A header may cover so much of the window.
const MARGIN = 80

function hasRoom(element: Element): boolean {
  const { top, bottom } = element.getBoundingClientRect()
  return top >= (scrollY ? MARGIN : 0) && bottom <= innerHeight
}

/** Keep a box beside an element. `lose` is called when there has been none for a while; `see` at each of its places. */
export function stickTo(
  box: HTMLElement,
  selector: string,
  side: Side | undefined,
  lose: () => void,
  see: (rect: DOMRect | null) => void = () => {},
): () => void {
  let anchor: Element | null = null
  let frame = 0
  let patience = 0
  const arrow = h("span", { class: "arrow" })
  box.append(arrow)
  const step = () => {
    frame = requestAnimationFrame(step)
    if (!anchor?.isConnected) {
      anchor = find(selector)
      if (anchor && !hasRoom(anchor)) anchor.scrollIntoView({ block: "center", inline: "nearest" })
    }
    const rect = anchor?.getClientRects().length ? anchor.getBoundingClientRect() : null
    box.classList.toggle("away", !rect)
    see(rect)
    if (!rect) {
      patience ||= setTimeout(lose, ANCHOR_MS)
      return
    }
    clearTimeout(patience)
    patience = 0
    const { offsetWidth: width, offsetHeight: height } = box
    const { clientWidth, clientHeight } = document.documentElement
    const place = choosePlace(rect, { width, height }, { width: clientWidth, height: clientHeight }, side)
    box.style.transform = `translate(${place.x}px, ${place.y}px)`
    box.dataset.side = place.side
    const clamp = (value: number, most: number) => `${Math.max(18, Math.min(value, most - 18))}px`
    arrow.style.left = clamp(rect.x + rect.width / 2 - place.x, width)
    arrow.style.top = clamp(rect.y + rect.height / 2 - place.y, height)
  }
  step()
  return () => {
    cancelAnimationFrame(frame)
    clearTimeout(patience)
    arrow.remove()
  }
}
