// A survey: one question at a time, the next by the answer.

import type { Answer, Question } from "../contract.js"
import { h, rich, type Child } from "../dom.js"
import { nextQuestion } from "../rules.js"
import { label, mount } from "./frame.js"
import type { Stage } from "./stage.js"
import { openDialog } from "./modal.js"
import { button, closer, draw, onEscape } from "./parts.js"

const THANKS_MS = 6_000
const MAX_TEXT = 4_000
const STAR = "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1 5.9-5.2-2.8-5.2 2.8 1-5.9-4.3-4.1 5.9-.8z"

export function showSurvey(stage: Stage): void {
  const { questions = [], thanks, title, position = "corner" } = stage.content
  const name = title ?? label(stage, "survey")
  const body = h("div", { class: "main", tabindex: -1 })
  const bar = h("div", { class: "bar" })
  let place = 0
  let isOver = false
  const close = () => (isOver ? stage.leave() : stage.dismiss({ step: questions[place]?.id }))

  const turn = (...parts: Child[]) => {
    const hasFocus = body.matches(":focus-within")
    body.replaceChildren(...(parts.filter(Boolean) as Node[]))
    // The focus was on what has gone.
    if (hasFocus) body.focus({ preventScroll: true })
  }
  const go = (to: number) => {
    place = to
    bar.style.setProperty("--part", String(to / questions.length))
    const question = questions[to]
    if (question) {
      const { id, text, required } = question
      const heading = h("div", { class: "question", id: "q" }, rich(text, stage.follow))
      const answer = (value: Answer | undefined) => {
        if (value !== undefined) stage.react("answered", { step: id, answers: { [id]: value } })
        go(nextQuestion(questions, to, value))
      }
      const skip = !required && button(label(stage, "skip"), "link", () => answer(undefined))
      turn(
        to === 0 && title ? h("p", { class: "over" }, title) : undefined,
        h("div", { role: "group", "aria-labelledby": "q" }, heading, ASK[question.type](question, answer, stage, skip)),
      )
      return
    }
    isOver = true
    stage.react("completed")
    if (!thanks?.length) return stage.leave()
    turn(h("div", { class: "thanks", role: "status" }, draw("M5 12.5l4.5 4.5L19 7.5"), h("div", {}, rich(thanks, stage.follow))))
    const timer = setTimeout(stage.leave, THANKS_MS)
    stage.onEnd(() => clearTimeout(timer))
  }

  go(0)
  const parts = [bar, body, closer(stage, "close", close)]
  if (position === "modal") openDialog({ ...stage, dismiss: close }, "modal survey", name, true, parts)
  else {
    const box = h("section", { class: "box corner survey", "aria-label": name }, parts)
    onEscape(box, close)
    mount(stage, box)
  }
}

type Ask = (question: Question, answer: (value: Answer) => void, stage: Stage, skip: Child) => Child[]

const scale =
  (from: number, to: number, style: string, face: (grade: number) => Child): Ask =>
  ({ low, high }, answer, _, skip) => [
    h("div", { class: `scale ${style}` }, Array.from({ length: to - from + 1 }, (__, place) => {
      const grade = from + place
      const ends = grade === from ? low : grade === to ? high : undefined
      const name = ends ? `${grade}, ${ends}` : `${grade}`
      return h("button", { type: "button", "aria-label": name, click: () => answer(grade) }, face(grade))
    })),
    (low || high) && h("div", { class: "ends", "aria-hidden": "true" }, h("span", {}, low), h("span", {}, high)),
    skip && h("div", { class: "acts" }, skip),
  ]

const ASK: Record<Question["type"], Ask> = {
  nps: scale(0, 10, "nps", String),
  csat: scale(1, 5, "csat", (grade) =>
    draw("M12 2.75a9.25 9.25 0 1 0 0 18.5a9.25 9.25 0 1 0 0-18.5", "M8.6 9.4v.9M15.4 9.4v.9", `M8 15q4 ${(grade - 3) * 2.1} 8 0`),
  ),
  stars: scale(1, 5, "stars", () => draw(STAR)),
  single: ({ options = [] }, answer, _, skip) => [
    h("div", { class: "options" }, options.map(({ value, label }) =>
      h("button", { type: "button", class: "option", click: () => answer(value) }, label),
    )),
    skip && h("div", { class: "acts" }, skip),
  ],
  multi: ({ options = [], required }, answer, stage, skip) => {
    const chosen = new Set<string>()
    const next = button(label(stage, "next"), "primary", () => answer([...chosen]))
    const look = () => (next.disabled = !chosen.size)
    look()
    return [
      h("div", { class: "options" }, options.map(({ value, label }) => {
        const change = (event: Event) => {
          chosen[(event.target as HTMLInputElement).checked ? "add" : "delete"](value)
          look()
        }
        return h("label", { class: "option" }, h("input", { type: "checkbox", change }), h("span", {}, label))
      })),
      h("div", { class: "acts" }, !required && skip, next),
    ]
  },
  text: (_, answer, stage, skip) => {
    const send = button(label(stage, "submit"), "primary", () => answer(field.value.trim()))
    const look = () => (send.disabled = !field.value.trim())
    const field = h("textarea", { rows: 3, maxlength: MAX_TEXT, "aria-labelledby": "q", input: look })
    look()
    return [field, h("div", { class: "acts" }, skip, send)]
  },
}
