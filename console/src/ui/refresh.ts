import type { Query, QueryClient } from "@tanstack/react-query"

// The worker carries out what the API has accepted: mostly within a second, after an outage later.
const AFTER_MS = [300, 1_000, 2_000, 4_000, 8_000, 16_000]
// Their answers depend on what is typed alone, and are work for the API.
const TYPED = ["typed graph", "typed preview", "schema"]

const isOfState = ({ queryKey: [name] }: Query): boolean => !TYPED.includes(String(name))

/** Read what is shown anew after an act: at once, and while its effects come in. */
export async function refreshAfterAct(queries: QueryClient): Promise<void> {
  const refresh = () => queries.invalidateQueries({ predicate: isOfState })
  for (const delay of AFTER_MS) setTimeout(() => void refresh(), delay)
  await refresh()
}
