// In the address, where an empty value would be none: such as entries, which have no step.
const WITHOUT = "(none)"

/** A value of a filter as the address has it; empty is having none. */
export const toAddress = (value: string | undefined): string | undefined => (value === "" ? WITHOUT : value)

/** A value of an address as the API takes it. */
export const fromAddress = (value: string | undefined): string | undefined => (value === WITHOUT ? "" : value)
