// A dialog before the page. The browser keeps the focus inside, and gives it back.

import { h, type Child } from "../dom.js"
import { label, mount } from "./frame.js"
import type { Stage } from "./stage.js"
import { closer, cover, listActions, write } from "./parts.js"

export function showModal(stage: Stage): void {
  const { title, text, image, actions, dismissible = true } = stage.content
  openDialog(stage, "modal", title ?? label(stage, "message"), dismissible, [
    cover(image),
    h("div", { class: "main" }, title && h("h2", { class: "title" }, title), write(stage, text), listActions(stage, actions)),
    dismissible && closer(stage),
  ])
}

export function openDialog(stage: Stage, style: string, name: string, isDismissible: boolean, parts: Child[]): void {
  const dialog = h("dialog", { class: `box ${style}`, "aria-label": name, tabindex: -1 }, parts)
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault()
    if (isDismissible) stage.dismiss()
  })
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog && isDismissible && !isInside(event, dialog)) stage.dismiss()
  })
  mount(stage, dialog)
  // A browser may close it in spite of all at a second Escape.
  dialog.addEventListener("close", () => stage.leave())
  dialog.showModal()
  dialog.focus()
  stage.onEnd(() => dialog.close())
}

function isInside({ clientX, clientY }: MouseEvent, dialog: Element): boolean {
  const { left, right, top, bottom } = dialog.getBoundingClientRect()
  return left <= clientX && clientX <= right && top <= clientY && clientY <= bottom
}
