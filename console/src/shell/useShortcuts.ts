import { useNavigate } from "@tanstack/react-router"
import { useEffect, useRef } from "react"
import type { navigationOf } from "./navigation"

const CHORD_MILLISECONDS = 1_200

/** `?` for help, `/` for the first filter, and `g` with a letter for a page. */
export function useShortcuts(navigation: ReturnType<typeof navigationOf>, help: () => void): void {
  const navigate = useNavigate()
  const chordUntil = useRef(0)
  useEffect(() => {
    const known = new Map<string, string>(navigation.flatMap(({ pages }) => pages.map(({ key, to }) => [key, to])))
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const page = known.get(event.key)
      if (event.timeStamp < chordUntil.current && page !== undefined) {
        chordUntil.current = 0
        void navigate({ to: page })
      } else if (event.key === "g") {
        chordUntil.current = event.timeStamp + CHORD_MILLISECONDS
      } else if (event.key === "?") {
        help()
      } else if (event.key === "/") {
        const filter = document.querySelector<HTMLElement>("main [role=search] input, main [role=search] select")
        filter?.focus()
        event.preventDefault()
      }
    }
    document.addEventListener("keydown", press)
    return () => document.removeEventListener("keydown", press)
  }, [help, navigate, navigation])
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.closest("input, select, textarea, dialog") !== null
}
