// One client a page. Its failures never reach the page.

import type { Looks } from "./board.js"
import { start, type Options, type Sojourn } from "./client.js"
import { attempt } from "./storage.js"

export type { Options, Sojourn } from "./client.js"

let begun: Sojourn | undefined

export function begin(options: Options, loadLooks: () => Promise<Looks>): Sojourn {
  return (begun ??= guard(start(options, loadLooks)))
}

/** Let no error of a call through to the page; promises still fail, for those who wait for them. */
function guard(made: Sojourn): Sojourn {
  for (const [name, call] of Object.entries(made) as [string, unknown][]) {
    if (typeof call !== "function") continue
    Object.assign(made, { [name]: (...given: unknown[]) => attempt(() => (call as (...all: unknown[]) => unknown)(...given)) })
  }
  return made
}
