import type { Tone } from "./Badge"

const TONES: Record<string, Tone> = {
  // Campaigns and operations
  running: "good",
  ready: "good",
  done: "good",
  paused: "warn",
  stopping: "warn",
  building: "accent",
  scheduled: "accent",
  pending: "accent",
  // Journeys
  active: "accent",
  waiting: "plain",
  acting: "accent",
  deferred: "warn",
  held: "warn",
  // Effects of events
  entered: "good",
  heard: "accent",
  ended: "plain",
  // Messages and decisions
  sent: "good",
  delivered: "good",
  granted: "good",
  goal: "good",
  converted: "good",
  subscribed: "good",
  confirmed: "good",
  capped: "warn",
  refused: "bad",
  failed: "bad",
  rejected: "bad",
  unknown: "warn",
  cancelled: "plain",
  // Approvals
  approved: "good",
  expired: "plain",
  outdated: "plain",
  // Changes between versions
  added: "good",
  removed: "bad",
  moved: "accent",
  changed: "accent",
}

/** The tone of a state of the API; plain for those that ask for no attention. */
export const toneOf = (state: string | null | undefined): Tone => TONES[state ?? ""] ?? "plain"
