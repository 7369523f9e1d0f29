import { type ReactFlowInstance } from "@xyflow/react"
import { useEffect, useRef, useState } from "react"
import { useWidth } from "../../../ui/useWidth"
import type { Layout } from "./layout"

/** Texts are readable; a graph that needs less shows its beginning, and is moved. */
const MIN_ZOOM = 0.75
const MARGIN = 24

/** Keep the beginning of a graph in view, until its reader moves it: its width changes when a step is chosen. */
export function useViewport({ width, height, nodes }: Layout, begin: { id: string; width: number } | undefined) {
  const [frame, frameWidth] = useWidth<HTMLDivElement>()
  const [flow, setFlow] = useState<Pick<ReactFlowInstance, "setViewport">>()
  const isMoved = useRef(false)
  useEffect(() => {
    isMoved.current = false
  }, [nodes])
  useEffect(() => {
    const frameHeight = frame.current?.clientHeight ?? 0
    if (flow === undefined || frameWidth === 0 || isMoved.current) return
    const fitting = Math.min((frameWidth - 2 * MARGIN) / width, (frameHeight - 2 * MARGIN) / height)
    const zoom = Math.min(Math.max(fitting, MIN_ZOOM), 1)
    const first = nodes.get(begin?.id ?? "")
    const isWide = width * zoom > frameWidth - 2 * MARGIN
    const middle = isWide && first ? first.x + (begin?.width ?? 0) / 2 : width / 2
    void flow.setViewport({ x: frameWidth / 2 - middle * zoom, y: MARGIN, zoom })
  }, [flow, frame, frameWidth, width, height, nodes, begin?.id, begin?.width])
  return {
    frame,
    setFlow,
    /** The height at which the whole graph shows, where the page has room for it. */
    wanted: height + 2 * MARGIN,
    noteMove: (event: unknown) => {
      if (event) isMoved.current = true
    },
  }
}
