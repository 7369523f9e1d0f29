import { type RefObject, useLayoutEffect, useRef, useState } from "react"

/** The width of an element in pixels, for a drawing whose texts keep their size. */
export function useWidth<Shown extends Element>(): [RefObject<Shown | null>, number] {
  const shown = useRef<Shown>(null)
  const [width, setWidth] = useState(0)
  useLayoutEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)))
    watch.observe(shown.current!)
    return () => watch.disconnect()
  }, [])
  return [shown, width]
}
