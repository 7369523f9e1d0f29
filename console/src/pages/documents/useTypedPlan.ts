import { useQuery } from "@tanstack/react-query"
import { useEffect, useRef, useState } from "react"
import type { Plan, Planned } from "./DocumentEditor"
import type { Files } from "./files"

// Long enough that a word is typed in between, short enough to be felt as at once.
const PAUSE_MS = 500

/**
 * Plan files while they are typed: the last that could be drawn, and why the latest cannot. A plan is work for the API:
 * one is made at a time, and of the latest text.
 */
export function useTypedPlan(isNeeded: boolean, files: Files, chosen: string, plan: Plan) {
  const settled = useSettled(files)
  const drawn = useRef<Planned>(undefined)
  const [asked, setAsked] = useState({ files, chosen })
  const { data, isFetching } = useQuery({
    queryKey: ["typed plan", asked.files, asked.chosen],
    queryFn: () => plan(asked.files, asked.chosen).catch((error: unknown) => ({ planned: undefined, error })),
    enabled: isNeeded,
    gcTime: 0,
    refetchOnWindowFocus: false,
  })
  useEffect(() => {
    if (!isFetching) setAsked({ files: settled, chosen })
  }, [isFetching, settled, chosen])
  drawn.current = data?.planned ?? drawn.current
  return { drawn: drawn.current, error: data?.error }
}

/** A value once it has not changed for a while. */
function useSettled<Value>(value: Value): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
