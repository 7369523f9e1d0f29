// A bar along an edge of the window.

import { h } from "../dom.js"
import { label, mount } from "./frame.js"
import type { Stage } from "./stage.js"
import { closer, listActions, onEscape, write } from "./parts.js"

export function showBanner(stage: Stage): void {
  const { title, text, actions, position = "bottom", dismissible = true } = stage.content
  const bar = h(
    "section",
    { class: `box banner ${position}`, "aria-label": title ?? label(stage, "message") },
    h("div", { class: "main" }, title && h("p", { class: "title" }, title), write(stage, text)),
    listActions(stage, actions),
    dismissible && closer(stage),
  )
  if (dismissible) onEscape(bar, () => stage.dismiss())
  mount(stage, bar)
}
