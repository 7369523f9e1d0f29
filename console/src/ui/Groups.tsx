import { Tabs } from "./Tabs"

type Search = Record<string, string | undefined>

/** How numbers are grouped: as the address says, else by the first that no filter has fixed. */
export function groupingOf<const Grouping extends string>(groupings: readonly Grouping[], search: Search): Grouping {
  return (
    groupings.find((each) => each === search.by) ??
    groupings.find((each) => (each === "day" ? !isOneDay(search) : search[each] === undefined)) ??
    groupings[0]!
  )
}

const isOneDay = ({ from, to }: Search): boolean => from !== undefined && from === to

/** The address of one group: its value becomes a filter, and its numbers are grouped anew. */
export const groupSearch = (search: Search, grouping: string, value: string): Search => ({
  ...search,
  by: undefined,
  ...(grouping === "day" ? { from: value, to: value } : { [grouping]: value }),
})

export function GroupTabs({
  groupings,
  current,
  search,
}: {
  groupings: readonly string[]
  current: string
  search: Search
}) {
  return (
    <Tabs
      label="Grouped by"
      tabs={Object.fromEntries(groupings.map((each) => [each, `By ${each}`]))}
      current={current}
      search={(by) => ({ ...search, by })}
    />
  )
}
