// Cases that the API's own tests read as well: a rule that both sides have means the same on both.

import { expect, test } from "vitest"
import branches from "./cases/branches.json"
import frequency from "./cases/frequency.json"
import palettes from "./cases/palettes.json"
import type { Every, Message, Question } from "../src/contract.js"
import { mayShow, nextQuestion } from "../src/rules.js"
import { choosePalette } from "../src/views/theme.js"
import { message } from "./messages.js"

const NOW = Date.parse("2026-12-01T12:00:00Z")

test.each(branches.cases)("after $question, answered with $answer, comes $next", ({ question, answer, next }) => {
  const questions = branches.questions as Question[]
  const place = questions.findIndex(({ id }) => id === question)
  expect(questions[nextQuestion(questions, place, answer ?? undefined)]?.id ?? null).toBe(next)
})

test.each(frequency)("$every, shown $shown_seconds_ago, $reported: $may_show", ({ every, shown_seconds_ago, reported, may_show }) => {
  const instants = Object.fromEntries(reported.map((name) => [name, "2026-12-01T11:00:00Z"])) as Partial<Message>
  const shows = shown_seconds_ago.map((seconds) => NOW - seconds * 1_000)
  const given = message({ ...instants, shows: shows.length, content: { every: every as Every } })
  expect(mayShow(given, { shows, session: "s-1" }, "s-2", NOW)).toBe(may_show)
})

test.each(palettes)("the colours of $theme where it is $scheme", ({ theme, scheme, palette }) => {
  const hex = (colour: string) => `#${colour.match(/\d+/g)!.map((part) => Number(part).toString(16).padStart(2, "0")).join("")}`
  const found = Object.entries(choosePalette(theme, scheme === "dark")).map(([name, colour]) => [name, hex(colour)])
  expect(Object.fromEntries(found)).toEqual(palette)
})
