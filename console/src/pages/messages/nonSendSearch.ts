export interface NonSendSearch {
  from?: string
  to?: string
  campaign?: string
  step?: string
  reason?: string
  rule?: string
}

// In the address, where an empty value would be none: such as entries, which have no step.
const WITHOUT = "(none)"
const NAMES = ["campaign", "step", "reason", "rule"] as const

/** A filter as the address of its page has it. */
export function nonSendSearch(filter: NonSendSearch): NonSendSearch {
  return replaceValues(filter, "", WITHOUT)
}

/** The filter of an address, as the API takes it. */
export function nonSendFilter(search: NonSendSearch): NonSendSearch {
  return replaceValues(search, WITHOUT, "")
}

function replaceValues({ from, to, ...named }: NonSendSearch, value: string, other: string): NonSendSearch {
  const given = NAMES.filter((name) => named[name] !== undefined)
  return {
    from,
    to,
    ...Object.fromEntries(given.map((name) => [name, named[name] === value ? other : named[name]])),
  }
}
