import { useNavigate } from "@tanstack/react-router"

export interface Filter {
  name: string
  label: string
  /** Its values; without them any text. */
  options?: readonly string[]
  placeholder?: string
  type?: "search" | "date"
  /** The name of having no value. */
  none?: string
}

type Search = Record<string, string | undefined>

/** The first and the last of the UTC days that are counted. */
export const PERIOD: Filter[] = [
  { name: "from", label: "From (UTC)", type: "date" },
  { name: "to", label: "To", type: "date" },
]

/** Filters of a list, kept in the address. A text counts on Enter, or when it is left. */
export function Filters({ filters, search }: { filters: Filter[]; search: Search }) {
  const navigate = useNavigate()
  const change = (name: string, value: string) => {
    if ((search[name] ?? "") === value) return
    void navigate({ to: ".", search: { ...search, [name]: value || undefined } as never, replace: true })
  }
  const isFiltered = filters.some(({ name }) => search[name] !== undefined)
  return (
    <form className="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      {filters.map(({ name, label, options, placeholder, type = "search", none = "any" }) => (
        <label key={name} className="field">
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
              key={search[name] ?? ""}
              type={type}
              defaultValue={search[name] ?? ""}
              placeholder={placeholder}
              onBlur={(event) => change(name, event.target.value.trim())}
              onKeyDown={(event) => {
                if (event.key === "Enter") change(name, event.currentTarget.value.trim())
              }}
            />
          )}
        </label>
      ))}
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
