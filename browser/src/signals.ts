// Behaviour on a page, as messages wait for it and as page triggers report it.

import type { Trigger } from "./contract.js"
import { isVisible, isWithin, whenSeen, whenThere } from "./dom.js"

export interface Signal {
  kind: Trigger["kind"]
  element?: string
  seconds?: number
  percent?: number
  /** The name of a feature or of an event that the page tracks. */
  feature?: string
  /** The name of a feature, whose use is reported as this event. */
  event?: string
}

type Stop = () => void
const features = new Set<(name: string, isTracked: boolean) => void>()

/** Say that a feature was used, or that an event of this name was tracked. */
export const useFeature = (name: string, isTracked = false): void => [...features].forEach((hear) => hear(name, isTracked))

export const all = (stops: readonly Stop[]): Stop => () => stops.forEach((stop) => stop())

/** Call back once when it has happened, unless stopped before. */
export function when(signal: Signal, callback: () => void): Stop {
  let isOver = false
  let stop: Stop = () => {}
  const finish = () => {
    if (isOver) return
    isOver = true
    stop()
    callback()
  }
  stop = START[signal.kind](finish, signal)
  // It may have happened at once, before there was anything to stop.
  if (isOver) stop()
  return () => {
    isOver = true
    stop()
  }
}

const START: Record<Trigger["kind"], (finish: () => void, signal: Signal) => Stop> = {
  time_on_page: (finish, { seconds }) => countVisible(seconds!, finish),
  scroll: (finish, { percent }) => {
    const look = () => {
      // A pixel less, since browsers round.
      if ((scrollY + innerHeight + 1) * 100 >= document.documentElement.scrollHeight * percent!) finish()
    }
    look()
    return listen(window, "scroll", look)
  },
  // The pointer leaves through the top, towards tabs and the address.
  exit_intent: (finish) =>
    listen(document, "mouseout", (event) => {
      const { relatedTarget, clientY } = event as MouseEvent
      if (!relatedTarget && clientY <= 0) finish()
    }),
  dwell: (finish, { element, seconds }) => {
    let timer = 0
    const leave = () => {
      clearTimeout(timer)
      timer = 0
    }
    const look = ({ target }: Event) => {
      if (!isWithin(target, element)) leave()
      else timer ||= setTimeout(finish, seconds! * 1_000)
    }
    const { documentElement: root } = document
    return all([listen(root, "pointerover", look), listen(root, "focusin", look), listen(root, "pointerleave", leave), leave])
  },
  element_seen: (finish, { element }) => {
    let unsee: Stop = () => {}
    const unwait = whenThere(element!, (found) => (unsee = whenSeen(found, finish)))
    return () => {
      unwait()
      unsee()
    }
  },
  feature_used: (finish, { element, feature, event }) => {
    const hear = (name: string, isTracked: boolean) => (name === feature || (!isTracked && name === event)) && finish()
    const look = ({ target }: Event) => isWithin(target, element) && finish()
    features.add(hear)
    return all([listen(document, "click", look), listen(document, "change", look), () => features.delete(hear)])
  },
}

export function listen(target: EventTarget, name: string, callback: (event: Event) => void): Stop {
  const options = { capture: true, passive: true }
  target.addEventListener(name, callback, options)
  return () => target.removeEventListener(name, callback, options)
}

/** Count the seconds in which the page can be seen. */
function countVisible(seconds: number, finish: () => void): Stop {
  let left = seconds * 1_000
  let timer = 0
  let since = 0
  const look = () => {
    clearTimeout(timer)
    const now = performance.now()
    if (since) left -= now - since
    since = isVisible() ? now : 0
    if (since) timer = setTimeout(finish, left)
  }
  look()
  const stop = listen(document, "visibilitychange", look)
  return () => {
    stop()
    clearTimeout(timer)
  }
}
