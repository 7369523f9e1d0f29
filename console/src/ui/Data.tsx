import type { ReactNode } from "react"
import { isInstant } from "../format/time"
import { Nothing } from "./Nothing"
import { ExactTime } from "./Time"

/** In place of a personal field that the session does not see. */
export function Masked() {
  return (
    <span className="soft" title="Personal fields need the scope people">
      masked
    </span>
  )
}

/**
 * Any JSON as text: members of an object in pairs, items of a list by commas or below each other. Where the session sees
 * no personal field, the whole value is null; a null within it is a value as any other.
 */
export function Data({ value, isMasked = false }: { value: unknown; isMasked?: boolean }): ReactNode {
  if (value === null || value === undefined) return isMasked ? <Masked /> : <Nothing />
  if (Array.isArray(value)) return <Items items={value} />
  if (typeof value === "object") return isChange(value) ? <Change of={value} /> : <Pairs of={Object.entries(value)} />
  const text = String(value)
  return isInstant(text) ? <ExactTime at={text} /> : text
}

interface ChangedValue {
  before: unknown
  after: unknown
}

const isChange = (value: object): value is ChangedValue =>
  "before" in value && "after" in value && Object.keys(value).length === 2

function Change({ of: { before, after } }: { of: ChangedValue }) {
  if (isObject(before) && isObject(after)) {
    const names = Object.keys({ ...before, ...after })
    return <Pairs of={names.map((name) => [name, { before: before[name], after: after[name] }])} />
  }
  return (
    <div className="row">
      <Data value={before} /> <span className="soft">→</span> <Data value={after} />
    </div>
  )
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Values by their names; those that are masked are null. */
export function Pairs({ of, isMasked }: { of: [string, unknown][]; isMasked?: boolean }) {
  if (of.length === 0) return <Nothing />
  return (
    <dl className="pairs">
      {of.map(([name, value]) => (
        <div key={name} style={{ display: "contents" }}>
          <dt>{name}</dt>
          <dd>
            <Data value={value} isMasked={isMasked} />
          </dd>
        </div>
      ))}
    </dl>
  )
}

function Items({ items }: { items: unknown[] }) {
  if (items.length === 0) return <Nothing />
  if (items.every((item) => typeof item !== "object")) return items.join(", ")
  return (
    <ul className="stack">
      {items.map((item, index) => (
        <li key={index}>
          <Data value={item} />
        </li>
      ))}
    </ul>
  )
}

/** Say that personal fields of this page are hidden, and why. */
export function MaskNotice({ of }: { of: object }) {
  if (!("masked" in of) || of.masked !== true) return null
  return (
    <p className="notice warn">
      <span>
        Personal fields are masked: they need the scope <code>people</code>, which the roles operator, approver and admin
        have. Log in with another key or role, or ask who has one.
      </span>
    </p>
  )
}
