import { useQuery } from "@tanstack/react-query"
import { Link, Outlet, useLocation } from "@tanstack/react-router"
import { useCallback, useEffect, useMemo, useRef, useState } from "react"
import { type Session, sessionQuery } from "../session/session"
import { Skeleton } from "../ui/Loaded"
import { Page } from "../ui/Page"
import { Refusal } from "../ui/Refusal"
import { Account } from "./Account"
import { Logo } from "./Logo"
import { navigationOf } from "./navigation"
import { NotCurrent } from "./NotCurrent"
import { ShortcutHelp } from "./ShortcutHelp"
import { SignIn } from "./SignIn"
import { useShortcuts } from "./useShortcuts"
import { WaitingApprovals } from "./WaitingApprovals"

/** The frame of every page; without a session, the way in. */
export function Shell() {
  const { data: session, error, refetch } = useQuery(sessionQuery)
  if (error?.status === 401) return <SignIn />
  // The last answer stays while the API is away.
  if (session) return <Frame session={session} />
  if (error) {
    return (
      <main>
        <Page title="Console">
          <Refusal error={error} retry={() => void refetch()} />
        </Page>
      </main>
    )
  }
  return (
    <main>
      <Skeleton />
    </main>
  )
}

function Frame({ session }: { session: Session }) {
  const { pathname } = useLocation()
  const main = useRef<HTMLElement>(null)
  const isFirst = useRef(true)
  const [isOpen, setOpen] = useState(false)
  const [isHelpOpen, setHelpOpen] = useState(false)
  const help = useCallback(() => setHelpOpen(true), [])
  const navigation = useMemo(() => navigationOf(session), [session])
  useShortcuts(navigation, help)
  useEffect(() => {
    setOpen(false)
    // The keyboard and the screen reader go on with the new page.
    if (!isFirst.current) main.current?.focus({ preventScroll: true })
    isFirst.current = false
  }, [pathname])
  return (
    <div className="shell">
      <a className="skip" href="#main" onClick={() => main.current?.focus()}>
        Skip to the page
      </a>
      <header className="top">
        <Link to="/campaigns" className="brand">
          <Logo /> Sojourn
        </Link>
        <button type="button" aria-expanded={isOpen} aria-controls="side" onClick={() => setOpen(true)}>
          Menu
        </button>
      </header>
      <aside id="side" className="side" aria-label="Navigation" data-open={isOpen || undefined}>
        <div className="head">
          <Link to="/campaigns" className="brand">
            <Logo /> Sojourn
          </Link>
          {isOpen && (
            <button type="button" onClick={() => setOpen(false)}>
              Close
            </button>
          )}
        </div>
        <nav aria-label="Pages">
          {navigation.map(({ group, pages }) => (
            <div key={group}>
              <h2>{group}</h2>
              <ul>
                {pages.map(({ to, label }) => (
                  <li key={to}>
                    <Link to={to} activeProps={{ "aria-current": "page" }}>
                      {label}
                      {to === "/approvals" && <WaitingApprovals />}
                    </Link>
                  </li>
                ))}
              </ul>
            </div>
          ))}
        </nav>
        <Account session={session} help={help} />
      </aside>
      <main id="main" ref={main} tabIndex={-1}>
        <NotCurrent />
        <Outlet />
      </main>
      {isHelpOpen && <ShortcutHelp navigation={navigation} close={() => setHelpOpen(false)} />}
    </div>
  )
}
