// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { http, REST_MS } from "../src/http.js"

let answers: number[]
let asked: string[]
let warned: unknown[][]

beforeEach(() => {
  vi.useFakeTimers()
  ;[answers, asked, warned] = [[], [], []]
  vi.stubGlobal("fetch", async (url: string, { headers }: RequestInit) => {
    asked.push(`${new URL(url).pathname} ${(headers as Record<string, string>).Authorization ?? ""}`.trim())
    return new Response('{"detail": "no"}', { status: answers.shift() ?? 200 })
  })
  vi.spyOn(console, "warn").mockImplementation((...line: unknown[]) => void warned.push(line))
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

test.each([401, 403, 404])("a path that was answered with %d is not asked for a while, and the console says so once", async (status) => {
  const api = http("https://api.example", "key", null)
  answers = [status, 200, status, status]
  expect((await api.send("/a?x=1")).status).toBe(status)
  await expect(api.send("/a?x=2")).rejects.toThrow()
  // Another path may answer this key.
  expect((await api.send("/b")).status).toBe(200)
  await vi.advanceTimersByTimeAsync(REST_MS)
  expect((await api.send("/a")).status).toBe(status)
  expect((await api.send("/c")).status).toBe(status)
  expect(asked).toEqual(["/a", "/b", "/a", "/c"])
  expect(warned).toEqual([[`sojourn: /a was answered with ${status}`, '{"detail": "no"}']])
})

test.each([408, 429, 500])("one that was answered with %d is asked again", async (status) => {
  const api = http("https://api.example", "key", null)
  answers = [status]
  await api.send("/a")
  expect((await api.send("/a")).status).toBe(200)
  expect(warned).toEqual([])
})

test("a token that has expired is asked for anew, once", async () => {
  const tokens = ["old", "new", "newer"]
  const api = http("https://api.example", "key", () => tokens.shift()!)
  answers = [401, 200, 401, 401]
  expect((await api.send("/a")).status).toBe(200)
  expect(asked).toEqual(["/a Bearer old", "/a Bearer new"])
  expect((await api.send("/a")).status).toBe(401)
  expect(asked.slice(2)).toEqual(["/a Bearer new", "/a Bearer newer"])
  await expect(api.send("/a")).rejects.toThrow()
  expect(warned.length).toBe(1)
})

test("another user asks at once", async () => {
  const api = http("https://api.example", "key", "of-ada")
  answers = [401]
  await api.send("/a")
  api.use("of-bob")
  expect((await api.send("/a")).status).toBe(200)
  expect(asked).toEqual(["/a Bearer of-ada", "/a Bearer of-bob"])
})
