import { useEffect, useRef } from "react"

interface Pages {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
}

/** The rest of a long list: its next page is asked for when one comes to its end. */
export function More({ pages }: { pages: Pages }) {
  const button = useRef<HTMLButtonElement>(null)
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = pages
  useEffect(() => {
    if (!hasNextPage || button.current === null) return undefined
    const watch = new IntersectionObserver(([entry]) => {
      if (entry?.isIntersecting && !isFetchingNextPage) fetchNextPage()
    })
    watch.observe(button.current)
    return () => watch.disconnect()
  }, [hasNextPage, isFetchingNextPage, fetchNextPage])
  if (!hasNextPage) return null
  return (
    <button type="button" ref={button} disabled={isFetchingNextPage} onClick={() => fetchNextPage()}>
      {isFetchingNextPage ? "Loading …" : "Show more"}
    </button>
  )
}
