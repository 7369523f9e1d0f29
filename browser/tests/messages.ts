// Messages as the API gives them.

import type { Message } from "../src/contract.js"

export function message(changes: Partial<Message> = {}): Message {
  const instants = { given_at: null, shown_at: null, clicked_at: null, dismissed_at: null, completed_at: null }
  return {
    message_id: "m-1", seq: 1, kind: "banner", interrupts: true, placement: null, priority: 50, expires_at: "2026-12-02T00:00:00Z", shows: 0,
    ...instants, content: { every: { kind: "once" } }, ...changes,
  }
}
