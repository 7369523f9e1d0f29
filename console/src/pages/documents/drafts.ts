import type { Files } from "./files"

/** A changed text, with the version that it began from. */
export interface Draft {
  actor: string
  base: { version?: number; files: Files }
  files: Files
}

const nameHere = () => `sojourn.draft ${location.pathname}`

/** Keep a text of this address until the same person signs in again, in this tab alone. */
export const keepDraft = (draft: Draft): void => sessionStorage.setItem(nameHere(), JSON.stringify(draft))

/** Take what was kept of this address, once; a text of another person is dropped. */
export function takeDraft(actor: string): Draft | undefined {
  const kept = sessionStorage.getItem(nameHere())
  sessionStorage.removeItem(nameHere())
  if (kept === null) return undefined
  const draft = JSON.parse(kept) as Draft
  return draft.actor === actor ? draft : undefined
}
