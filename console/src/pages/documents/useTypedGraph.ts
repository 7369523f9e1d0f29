import { useQuery } from "@tanstack/react-query"
import { useEffect, useRef, useState } from "react"
import type { Draw } from "./DocumentEditor"
import type { Files } from "./files"

// Long enough that a word is typed in between, short enough to be felt as at once.
const PAUSE_MS = 500
const NO_STEPS: string[] = []

/**
 * Draw files while they are typed: the last that could be drawn, and why the latest cannot. To check a document is work
 * for the API: one is drawn at a time, and of the latest text.
 */
export function useTypedGraph(files: Files, draw: Draw | undefined) {
  const settled = useSettled(files)
  const drawn = useRef<Awaited<ReturnType<Draw>>>({})
  const [asked, setAsked] = useState(files)
  const { data, isFetching } = useQuery({
    queryKey: ["typed graph", asked],
    queryFn: () => draw?.(asked).catch((error: unknown) => ({ error }) as Awaited<ReturnType<Draw>>),
    enabled: draw !== undefined,
    gcTime: 0,
    refetchOnWindowFocus: false,
  })
  useEffect(() => {
    if (!isFetching) setAsked(settled)
  }, [isFetching, settled])
  if (data?.drawing !== undefined) drawn.current = data
  return { drawing: drawn.current.drawing, steps: drawn.current.steps ?? NO_STEPS, error: data?.error }
}

/** A value once it has not changed for a while. */
export function useSettled<Value>(value: Value): Value {
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [value])
  return settled
}
