// The forms in which the API and the page talk: /v1/client/* (docs/api.md).

/** The kinds of this release; a later one may have more. */
export type Kind = "banner" | "modal" | "tooltip" | "tour" | "card" | "survey" | "slot" | "custom" | (string & {})
export type ReactionKind = "shown" | "clicked" | "dismissed" | "answered" | "completed" | "failed"
export type Side = "top" | "bottom" | "left" | "right"

/** Rich text: a tree of few kinds of nodes, and of values that are text alone. */
export type Rich = readonly RichNode[]
export interface RichNode {
  t: "text" | "p" | "b" | "i" | "a" | "img" | "ul" | "li" | "br"
  v?: string
  href?: string
  src?: string
  alt?: string
  c?: Rich
}

export interface Image {
  src: string
  alt?: string
}

export interface Action {
  id: string
  label: string
  url?: string
  style?: "primary" | "secondary" | "link"
  event?: string
  dismiss?: boolean
}

export interface Theme {
  mode?: "light" | "dark" | "auto"
  accent?: string
  background?: string
  text?: string
  radius?: number
}

export interface After {
  seconds?: number
  scroll?: number
  exit_intent?: boolean
  dwell?: { element: string; seconds: number }
  seen?: string
  feature?: string
}

export interface Every {
  kind: "once" | "until_clicked" | "until_dismissed" | "each_session" | "times"
  times?: number
  per_seconds?: number
}

export interface Step {
  id: string
  anchor?: string
  title?: string
  text?: Rich
  next_on_click?: boolean
  side?: Side
}

export interface Way {
  when: { min?: number; max?: number; is?: readonly (string | number)[] }
  to: string
}

export interface Question {
  id: string
  type: "nps" | "csat" | "stars" | "single" | "multi" | "text"
  text: Rich
  required?: boolean
  options?: readonly { value: string; label: string }[]
  low?: string
  high?: string
  next?: readonly Way[]
}

export type Answer = number | string | readonly string[]

export interface Content {
  where?: readonly string[]
  after?: After | null
  every: Every
  between?: number | null
  theme?: Theme | null
  dir?: "ltr" | "rtl"
  lang?: string
  labels?: Readonly<Record<string, string>>
  title?: string
  text?: Rich
  image?: Image | null
  url?: string
  actions?: readonly Action[]
  position?: string
  dismissible?: boolean
  anchor?: string
  side?: Side
  steps?: readonly Step[]
  skippable?: boolean
  pinned?: boolean
  questions?: readonly Question[]
  thanks?: Rich
  data?: unknown
}

export interface Message {
  message_id: string
  seq: number
  kind: Kind
  /** Whether it shows itself, one at a time; others have a place of their own. */
  interrupts: boolean
  placement: string | null
  priority: number
  expires_at: string
  given_at: string | null
  shows: number
  shown_at: string | null
  clicked_at: string | null
  dismissed_at: string | null
  completed_at: string | null
  content: Content
}

export interface Inbox {
  seq: number
  messages?: readonly Message[]
  open: readonly string[]
  next_poll: number
}

export interface Details {
  step?: string
  action?: string
  link?: string
  answers?: Readonly<Record<string, Answer>>
  reason?: string
}

export interface Reaction extends Details {
  message_id: string
  kind: ReactionKind
  at: string
}

export interface Trigger {
  event: string
  kind: "dwell" | "scroll" | "exit_intent" | "element_seen" | "feature_used" | "time_on_page"
  where?: readonly string[]
  element?: string
  seconds?: number
  percent?: number
  once_per?: "page" | "session"
  properties?: Readonly<Record<string, unknown>>
}

export interface Settings {
  triggers: readonly Trigger[]
  between: number
}
