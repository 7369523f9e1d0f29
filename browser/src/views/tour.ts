// A tour: bubbles, one after another, while the rest of the page is dimmed.

import { h, isWithin } from "../dom.js"
import { listen } from "../signals.js"
import { label, mount } from "./frame.js"
import type { Stage } from "./stage.js"
import { stickTo } from "./bubble.js"
import { button, closer, draw, onEscape, write } from "./parts.js"

const PADDING = 6

export function showTour(stage: Stage): void {
  const { steps = [], skippable = true, title } = stage.content
  const box = h("div", { class: "box bubble tour", role: "dialog", tabindex: -1 })
  const shade = draw("M0 0")
  const hole = shade.firstElementChild!
  shade.setAttribute("class", "shade")
  shade.removeAttribute("viewBox")
  let leaveStep = () => {}
  let place = 0

  const dim = (rect: DOMRect | null) => {
    const { x, y, width, height } = rect ?? { x: 0, y: 0, width: 0, height: 0 }
    const [w, tall] = [width + 2 * PADDING, height + 2 * PADDING]
    const opening = rect ? roundedRect(x - PADDING, y - PADDING, w, tall) : ""
    hole.setAttribute("d", `M0 0H${innerWidth}V${innerHeight}H0Z${opening}`)
  }
  const skip = () => stage.dismiss({ step: steps[place]!.id })

  const end = () => {
    stage.react("completed")
    stage.leave()
  }
  /** Go to a step, or on in the same direction if its element does not come. */
  const go = (to: number, direction: number) => {
    leaveStep()
    leaveStep = () => {}
    const step = steps[to]
    if (!step) return end()
    place = to
    stage.remember(step.id)
    const { id, anchor, text, side, next_on_click } = step
    const next = () => go(to + 1, 1)
    box.className = "box bubble tour"
    box.setAttribute("aria-label", step.title ?? title ?? label(stage, "message"))
    box.replaceChildren(
      h(
        "div",
        { class: "main" },
        step.title && h("p", { class: "title" }, step.title),
        write(stage, text),
        h(
          "div",
          { class: "acts" },
          h("span", { class: "count" }, `${to + 1} ${label(stage, "of")} ${steps.length}`),
          to > 0 && button(label(stage, "back"), "secondary", () => go(to - 1, -1)),
          button(label(stage, to === steps.length - 1 ? "done" : "next"), "primary", next),
        ),
      ),
      skippable ? closer(stage, "skip", skip) : "",
    )
    if (anchor) {
      const fail = () => {
        stage.react("failed", { reason: "anchor", step: id })
        // Before the first there is none to go back to.
        go(to + (to ? direction : 1), to ? direction : 1)
      }
      const unstick = stickTo(box, anchor, side, fail, dim)
      const ignore = next_on_click
        ? listen(document, "click", (event) => isWithin(event.target, anchor) && next())
        : () => {}
      leaveStep = () => {
        unstick()
        ignore()
      }
    } else {
      box.classList.add("middle")
      box.style.transform = ""
      const measure = () => dim(null)
      measure()
      leaveStep = listen(window, "resize", measure)
    }
    box.focus({ preventScroll: true })
  }

  mount(stage, shade, box)
  stage.onEnd(() => leaveStep())
  if (skippable) stage.onEnd(onEscape(document, skip))
  go(Math.max(0, steps.findIndex((one) => one.id === stage.step)), 1)
}

function roundedRect(x: number, y: number, width: number, height: number, r = 8): string {
  const arc = (dx: number, dy: number) => `a${r} ${r} 0 0 1 ${dx} ${dy}`
  return `M${x + r} ${y}h${width - 2 * r}${arc(r, r)}v${height - 2 * r}${arc(-r, r)}h${2 * r - width}${arc(-r, -r)}v${2 * r - height}${arc(r, -r)}z`
}
