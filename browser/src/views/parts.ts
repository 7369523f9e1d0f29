// Parts that several kinds of messages have.

import type { Action, Image, Rich } from "../contract.js"
import { fill, h, picture, rich, safeUrl, type Child } from "../dom.js"
import type { Stage } from "./stage.js"
import { label } from "./frame.js"

const SVG = "http://www.w3.org/2000/svg"

/** Draw lines in a square of 24. */
export const draw = (...paths: string[]): SVGElement =>
  fill(
    document.createElementNS(SVG, "svg"),
    { viewBox: "0 0 24 24", "aria-hidden": "true", class: "icon" },
    paths.map((d) => fill(document.createElementNS(SVG, "path"), { d }, [])),
  )

export const button = (label: string, style: string, click: () => void): HTMLButtonElement =>
  h("button", { type: "button", class: `act ${style}`, click }, label)

export function listActions(stage: Stage, actions: readonly Action[] | undefined): Child {
  const made = (actions ?? []).map((action) => {
    const { label, style = "primary", url } = action
    const href = safeUrl(url)
    const click = () => stage.act(action)
    return href ? h("a", { class: `act ${style}`, href, click }, label) : button(label, style, click)
  })
  return made.length ? h("div", { class: "acts" }, made) : undefined
}

export const closer = (stage: Stage, name = "close", click = () => stage.dismiss()): HTMLButtonElement =>
  h("button", { type: "button", class: "x", "aria-label": label(stage, name), title: label(stage, name), click }, draw("M6 6l12 12M18 6 6 18"))

export const write = (stage: Stage, text: Rich | undefined): Child =>
  text?.length ? h("div", { class: "text" }, rich(text, stage.follow)) : undefined

export const cover = (image: Image | null | undefined): Child => {
  const made = picture(image?.src, image?.alt)
  return made && h("div", { class: "cover" }, made)
}

/** Close at Escape. */
export const onEscape = (target: EventTarget, close: () => void): (() => void) => {
  const hear = (event: Event) => {
    if ((event as KeyboardEvent).key === "Escape" && !event.defaultPrevented) {
      event.preventDefault()
      close()
    }
  }
  target.addEventListener("keydown", hear)
  return () => target.removeEventListener("keydown", hear)
}
