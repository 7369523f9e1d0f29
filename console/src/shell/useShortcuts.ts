import { useNavigate } from "@tanstack/react-router"
import { useEffect, useRef } from "react"
import { NAVIGATION } from "./navigation"

const CHORD_MILLISECONDS = 1_200
const PAGES = new Map<string, string>(NAVIGATION.flatMap(({ pages }) => pages.map(({ key, to }) => [key, to])))

/** `?` for help, `/` for the first filter, and `g` with a letter for a page. */
export function useShortcuts(help: () => void): void {
  const navigate = useNavigate()
  const chordUntil = useRef(0)
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      const page = PAGES.get(event.key)
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
  }, [help, navigate])
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.closest("input, select, textarea, dialog") !== null
}
