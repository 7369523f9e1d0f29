// Rules that decide where, how often and in which order messages show. They touch nothing but their arguments.

import type { Answer, Message, Question } from "./contract.js"

/** The dealings of this browser with a message. Instants are milliseconds since 1970. */
export interface Seen {
  shows: number[]
  session?: string
  clicked?: boolean
  dismissed?: boolean
  completed?: boolean
  /** Where a tour in progress stands. */
  step?: string
}

export const MAX_SHOWS_KEPT = 20

/** Whether a pattern of addresses matches: `*` is anything but `/`, `**` anything at all. */
export function matches(glob: string, address: { origin: string; pathname: string; search: string; hash: string }): boolean {
  const { origin, pathname, search, hash } = address
  const path = (glob[0] === "/" ? "" : origin) + pathname
  return [path, path + search, path + search + hash].some((one) => isLike(readable(glob), readable(one)))
}

/** An address with its letters as an author writes them: browsers encode all beyond ASCII. */
function readable(address: string): string {
  try {
    return decodeURI(address)
  } catch {
    return address
  }
}

/** Whether a text is like a pattern. It follows all ways at once: a regular expression may try them one by one for ever. */
function isLike(glob: string, text: string): boolean {
  let reached = new Set([0])
  for (const part of glob.split(/(\*+)/)) {
    const next = new Set<number>()
    for (const at of reached) {
      if (part[0] !== "*") {
        if (text.startsWith(part, at)) next.add(at + part.length)
        continue
      }
      // One that was reached before has been followed to its end.
      for (let end = at; !next.has(end) && end <= text.length; end++) {
        next.add(end)
        if (part.length < 2 && text[end] === "/") break
      }
    }
    reached = next
  }
  return reached.has(text.length)
}

export const isPlace = (where: readonly string[] | undefined, address: Parameters<typeof matches>[1]): boolean =>
  !where?.length || where.some((glob) => matches(glob, address))

/** An instant that was noted. One that lies ahead is of a clock that was wrong: it is long past. */
export const asPast = (at: number, now: number): number => (at > now ? 0 : at)

/** Whether `every` lets a message show once more. */
export function mayShow(message: Message, seen: Seen | undefined, session: string, now: number): boolean {
  const shows = seen?.shows ?? []
  if (seen?.completed || message.completed_at || now >= Date.parse(message.expires_at)) return false
  if (seen?.step && !seen.dismissed) return true
  const { every } = message.content
  const times = Math.max(message.shows, shows.length)
  switch (every.kind) {
    case "once":
      return !times
    case "until_clicked":
      return !(seen?.clicked || message.clicked_at)
    case "until_dismissed":
      return !(seen?.dismissed || message.dismissed_at)
    case "each_session":
      return seen?.session !== session
    case "times": {
      const period = every.per_seconds
      const recent = period ? shows.filter((at) => asPast(at, now) > now - period * 1_000).length : times
      return recent < (every.times ?? 1)
    }
  }
}

/** Whether someone has done with a message, wherever it stands. */
export const isAnswered = (seen: Seen | undefined): boolean => !!(seen?.dismissed || seen?.completed)

/** Whether a message stands until someone answers it, over as many pages as that takes. */
export const isLasting = ({ content }: Message): boolean => content.every.kind.startsWith("until")

/** By priority, and then in the order in which they came. */
export const inOrder = (one: Message, other: Message): number => other.priority - one.priority || one.seq - other.seq

/** Cards: the pinned first, then the newest. */
export const inFeed = (one: Message, other: Message): number =>
  Number(!!other.content.pinned) - Number(!!one.content.pinned) || other.seq - one.seq

/** The place of the question after an answer; as many as there are if it was the last. */
export function nextQuestion(questions: readonly Question[], place: number, answer: Answer | undefined): number {
  const values = answer === undefined ? [] : Array.isArray(answer) ? answer : [answer]
  const way = questions[place]?.next?.find(({ when: { min, max, is } }) =>
    // Without a condition it is also the way of a question that was skipped.
    (min === undefined && max === undefined && !is) || values.some(
      (value) =>
        (min === undefined || Number(value) >= min) &&
        (max === undefined || Number(value) <= max) &&
        (!is || is.some((one) => String(one) === String(value))),
    ),
  )
  if (!way) return place + 1
  const found = questions.findIndex((one) => one.id === way.to)
  // Only onwards, so that a survey ends.
  return found > place ? found : questions.length
}

/** Seconds until attempt number `failures`: doubling to a minute, and spread so that pages do not come at once. */
export const backoff = (failures: number, random: number): number => Math.min(60, 2 ** failures) * (0.5 + random / 2)

export interface Box {
  x: number
  y: number
  width: number
  height: number
}

export type Place = { x: number; y: number; side: "top" | "bottom" | "left" | "right" }

const AWAY = { top: "bottom", bottom: "top", left: "right", right: "left" } as const

/** Where a box stands beside its anchor: on the wanted side if it fits, else on another, and always in the window. */
export function choosePlace(
  anchor: Box,
  box: { width: number; height: number },
  room: { width: number; height: number },
  wanted: Place["side"] = "bottom",
  gap = 12,
  edge = 8,
): Place {
  const free = {
    top: anchor.y - box.height - gap - edge,
    bottom: room.height - anchor.y - anchor.height - box.height - gap - edge,
    left: anchor.x - box.width - gap - edge,
    right: room.width - anchor.x - anchor.width - box.width - gap - edge,
  }
  const sides = [wanted, AWAY[wanted], "bottom", "top", "right", "left"] as const
  // Where it fits nowhere, on the side with the most room.
  const side = sides.find((one) => free[one] >= 0) ?? [...sides].sort((one, other) => free[other] - free[one])[0]!
  const isBeside = side === "left" || side === "right"
  const x = isBeside
    ? side === "left" ? anchor.x - box.width - gap : anchor.x + anchor.width + gap
    : anchor.x + (anchor.width - box.width) / 2
  const y = isBeside
    ? anchor.y + (anchor.height - box.height) / 2
    : side === "top" ? anchor.y - box.height - gap : anchor.y + anchor.height + gap
  const clamp = (value: number, most: number) => Math.max(edge, Math.min(value, most - edge))
  return { x: clamp(x, room.width - box.width), y: clamp(y, room.height - box.height), side }
}
