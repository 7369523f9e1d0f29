import type { ReactNode } from "react"

export type Tone = "good" | "warn" | "bad" | "accent" | "plain"

const SIGNS: Record<Tone, string> = { good: "●", warn: "▲", bad: "■", accent: "◆", plain: "○" }

/** A state in a word. Its sign differs too, for those who tell no colours apart. */
export function Badge({ tone = "plain", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={`badge ${tone}`}>
      <span aria-hidden="true">{SIGNS[tone]}</span>
      {children}
    </span>
  )
}
