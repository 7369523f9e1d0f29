const WHOLE = new Intl.NumberFormat("en")
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })
const PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 })
const SMALL_PERCENT = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 3 })

export const formatNumber = (value: number): string => WHOLE.format(value)

/** "12.3K", where there is no room. */
export const formatCompact = (value: number): string => COMPACT.format(value)

/** A share of 0 to 1. A small one keeps the digits that tell it from nothing. */
export const formatShare = (share: number): string =>
  (share !== 0 && Math.abs(share) < 0.01 ? SMALL_PERCENT : PERCENT).format(share)

/** "1 journey", "2 journeys", "2 people" with its plural. */
export const formatCount = (count: number, noun: string, plural = `${noun}s`): string =>
  `${formatNumber(count)} ${count === 1 ? noun : plural}`
