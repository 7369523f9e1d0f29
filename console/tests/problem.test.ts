import { expect, test, vi } from "vitest"
import { problemOf } from "../src/api/problem"
import { reach } from "../src/api/reach"

test("an API that is away is told from an error of the page", async () => {
  vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")))
  const away = await reach("/v1/session").catch((error: unknown) => error)
  expect(problemOf(away).code).toBe("unreachable")
  expect(problemOf(new TypeError("x is not a function"))).toMatchObject({
    code: "unexpected",
    detail: "x is not a function",
  })
})
