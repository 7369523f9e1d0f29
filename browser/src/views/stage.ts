// The stage of one message on the page: what it reports, and how it leaves.

import type { Action, Content, Details, Message, ReactionKind } from "../contract.js"
import { safeUrl } from "../dom.js"

export interface Stage {
  readonly message: Message
  readonly content: Content
  react(kind: ReactionKind, details?: Details): void
  /** Leave the page without a report. */
  leave(): void
  dismiss(details?: Details): void
  /** Do what an action says, and report it. */
  act(action: Action): void
  follow(href: string): void
  /** Where a tour stands, from page to page. */
  readonly step: string | undefined
  remember(step: string): void
  onEnd(stop: () => void): void
}

export interface Reports {
  react(message: Message, kind: ReactionKind, details?: Details): void
  track(event: string, properties: Record<string, unknown>): void
  remember(message: Message, step: string): void
}

/** Make the stage of a message. `end` is called once, when it has left. */
export function makeStage(message: Message, step: string | undefined, reports: Reports, end: () => void): Stage {
  const { content } = message
  const stops: (() => void)[] = [end]
  const stage: Stage = {
    message,
    content,
    step,
    react: (kind, details) => reports.react(message, kind, details),
    leave: () => stops.splice(0).reverse().forEach((stop) => stop()),
    dismiss(details) {
      stage.react("dismissed", details)
      stage.leave()
    },
    act({ id, url, event, dismiss }) {
      const link = safeUrl(url)
      stage.react("clicked", { action: id, ...(link && { link }) })
      if (event) reports.track(event, { message_id: message.message_id, action: id })
      if (dismiss) stage.dismiss()
    },
    follow: (link) => stage.react("clicked", { link }),
    remember: (step) => reports.remember(message, step),
    onEnd: (stop) => void stops.push(stop),
  }
  return stage
}
