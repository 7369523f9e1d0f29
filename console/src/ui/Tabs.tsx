import { Link } from "@tanstack/react-router"
import { useEffect, useRef } from "react"

/** Views of one thing, each with an address. The present one is brought into sight where there is no room for all. */
export function Tabs<Name extends string>({
  label,
  tabs,
  current,
  search,
}: {
  label: string
  tabs: Record<Name, string>
  current: Name
  /** The search of the address of a view. */
  search: (name: Name) => Record<string, string | undefined>
}) {
  const list = useRef<HTMLElement>(null)
  useEffect(() => {
    const shown = list.current?.querySelector<HTMLElement>("[aria-current]")
    if (shown) list.current!.scrollLeft = shown.offsetLeft + shown.offsetWidth - list.current!.clientWidth
  }, [current])
  return (
    <nav ref={list} className="tabs" aria-label={label}>
      {(Object.keys(tabs) as Name[]).map((name) => (
        <Link
          key={name}
          to="."
          search={search(name) as never}
          activeOptions={{ explicitUndefined: true }}
          // The router does not know the default.
          aria-current={name === current ? "page" : undefined}
        >
          {tabs[name]}
        </Link>
      ))}
    </nav>
  )
}
