import { expect, test } from "vitest"
import { readClock, toLocal } from "../src/clock.js"

const HOUR = 3_600_000
const answer = (date: number | string) => new Response("", { headers: { Date: typeof date === "number" ? new Date(date).toUTCString() : date } })

test.each([
  ["two days ahead", -48 * HOUR, true],
  ["an hour behind", HOUR, true],
  ["right", 0, false],
  ["right, with an answer that was kept", -30_000, false],
])("a message lasts as long as by the API where the browser's clock is %s", (_, ahead, isMoved) => {
  readClock(answer(Date.now() + ahead))
  const given = { expires_at: new Date(Date.now() + ahead + HOUR).toISOString() }
  const left = Date.parse(toLocal(given).expires_at) - Date.now()
  expect(Math.abs(left - HOUR)).toBeLessThan(60_000)
  expect(toLocal(given) === given).toBe(!isMoved)
})

test("an answer without a time changes nothing", () => {
  readClock(answer(Date.now() - 48 * HOUR))
  const message = { expires_at: new Date().toISOString() }
  const before = toLocal(message)
  readClock(answer("soon"))
  readClock(new Response(""))
  expect(toLocal(message)).toEqual(before)
})
