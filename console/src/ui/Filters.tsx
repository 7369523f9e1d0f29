import { useNavigate } from "@tanstack/react-router"
import { useState } from "react"

export interface Filter {
  name: string
  label: string
  /** Its values; without them any text. */
  options?: readonly string[]
  placeholder?: string
  /** An instant is the begin of a UTC day. */
  type?: "search" | "date" | "instant"
  /** The name of having no value. */
  none?: string
}

type Search = Record<string, string | undefined>

/** The first and the last of the UTC days that are counted. */
export const PERIOD: Filter[] = [
  { name: "from", label: "From (UTC)", type: "date" },
  { name: "to", label: "To", type: "date" },
]

// On a telephone, further ones are shown when they are asked for.
const MOST_NARROW = 4

export const DAY_LENGTH = "2026-12-02".length

function valueOf({ value }: HTMLInputElement, type: Filter["type"]): string {
  const given = value.trim()
  return type === "instant" && given !== "" ? `${given}T00:00:00Z` : given
}

/** The days that an answer is about, as values of `PERIOD`. */
export const usedPeriod = (answer: { first_day: string; last_day: string } | undefined): Search =>
  answer === undefined ? {} : { from: answer.first_day, to: answer.last_day }

/**
 * Filters of a list, kept in the address. A text counts on Enter, or when it is left. `used` has the values that count
 * where the address has none.
 */
export function Filters({ filters, search, used = {} }: { filters: Filter[]; search: Search; used?: Search }) {
  const navigate = useNavigate()
  const [isOpen, setOpen] = useState(false)
  const shown = (name: string) => search[name] ?? used[name] ?? ""
  const change = (name: string, value: string) => {
    if (shown(name) === value) return
    void navigate({ to: ".", search: { ...search, [name]: value || undefined } as never, replace: true })
  }
  const isFiltered = filters.some(({ name }) => search[name] !== undefined)
  return (
    <form
      className="filters"
      role="search"
      data-many={filters.length > MOST_NARROW || undefined}
      data-open={isOpen || undefined}
      onSubmit={(event) => event.preventDefault()}
    >
      {filters.map(({ name, label, options, placeholder, type = "search", none = "any" }) => (
        <label key={name} className="field" data-set={search[name] !== undefined || undefined}>
          {label}
          {options ? (
            <select value={search[name] ?? ""} onChange={(event) => change(name, event.target.value)}>
              <option value="">{none}</option>
              {options.map((option) => (
                <option key={option}>{option}</option>
              ))}
            </select>
          ) : (
            <input
              key={shown(name)}
              type={type === "instant" ? "date" : type}
              defaultValue={type === "instant" ? shown(name).slice(0, DAY_LENGTH) : shown(name)}
              placeholder={placeholder}
              onBlur={(event) => change(name, valueOf(event.target, type))}
              onKeyDown={(event) => {
                if (event.key === "Enter") change(name, valueOf(event.currentTarget, type))
              }}
            />
          )}
        </label>
      ))}
      {filters.length > MOST_NARROW && (
        <button type="button" className="further" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? "Fewer filters" : "All filters"}
        </button>
      )}
      {isFiltered && (
        <button
          type="button"
          className="plain"
          onClick={() =>
            void navigate({
              to: ".",
              search: { ...search, ...Object.fromEntries(filters.map(({ name }) => [name, undefined])) } as never,
            })
          }
        >
          Clear
        </button>
      )}
    </form>
  )
}
