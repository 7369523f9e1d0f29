// @sojourn/browser for bundlers: `load` once, then call.

import { begin, type Options, type Sojourn } from "./begin.js"

export type { CustomMessage, Renderer } from "./board.js"
export type { Options, Sojourn } from "./begin.js"
export type * from "./contract.js"

/** Begin. Later calls return what the first has begun. */
export const load = (options: Options): Sojourn => begin(options, () => import("./views/index.js"))
