import { fromAddress, toAddress } from "./withoutValue"

export interface NonSendSearch {
  from?: string
  to?: string
  campaign?: string
  step?: string
  reason?: string
  rule?: string
}

const NAMES = ["campaign", "step", "reason", "rule"] as const

/** A filter as the address of its page has it. */
export const nonSendSearch = (filter: NonSendSearch): NonSendSearch => replaceValues(filter, toAddress)

/** The filter of an address, as the API takes it. */
export const nonSendFilter = (search: NonSendSearch): NonSendSearch => replaceValues(search, fromAddress)

function replaceValues({ from, to, ...named }: NonSendSearch, replace: typeof toAddress): NonSendSearch {
  const given = NAMES.filter((name) => named[name] !== undefined)
  return { from, to, ...Object.fromEntries(given.map((name) => [name, replace(named[name])])) }
}
