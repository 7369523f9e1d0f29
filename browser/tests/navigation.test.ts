// @vitest-environment happy-dom
import { expect, test, vi } from "vitest"
import { onNavigation } from "../src/navigation.js"

test("each listener hears of each address, whoever comes and goes beside it", async () => {
  vi.useFakeTimers()
  const [first, second] = [vi.fn(), vi.fn()]
  const stop = onNavigation(first)
  const others = vi.fn()
  // A router that changes the history after this script.
  const before = history.pushState
  history.pushState = function (...given) {
    before.apply(this, given)
    others()
  }
  onNavigation(second)
  history.pushState({}, "", "/a")
  await vi.advanceTimersByTimeAsync(1)
  stop()
  history.pushState({}, "", "/b")
  history.replaceState({}, "", "/b")
  await vi.advanceTimersByTimeAsync(1)
  expect([first, second, others].map(({ mock }) => mock.calls.length)).toEqual([1, 2, 2])
  vi.useRealTimers()
})
