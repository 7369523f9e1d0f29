import { type ReactNode, useEffect } from "react"

/** A page: its title, also of the tab; what can be done; and where it belongs. */
export function Page({
  title,
  crumb,
  aside,
  actions,
  children,
}: {
  title: string
  crumb?: ReactNode
  aside?: ReactNode
  actions?: ReactNode
  children: ReactNode
}) {
  useEffect(() => {
    document.title = `${title} · Sojourn`
  }, [title])
  return (
    <div className="page">
      <header>
        {crumb && <div className="crumbs">{crumb}</div>}
        <div className="head">
          <h1>{title}</h1>
          {aside}
          {actions && <div className="row">{actions}</div>}
        </div>
      </header>
      {children}
    </div>
  )
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="stack" aria-label={title}>
      <div className="head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** Numbers with their names. */
export function Figures({ of }: { of: [string, ReactNode][] }) {
  return (
    <dl className="figures">
      {of.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
