/** Search parameters as plain texts: `?state=active&version=3`, nothing quoted. */
export function parseSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Record<string, unknown>): string {
  const given = Object.entries(search).filter(([, value]) => value !== undefined && value !== "")
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString()
  return text === "" ? "" : `?${text}`
}

/** The named parameters of a page; others are dropped from its address. */
export const search =
  <const Name extends string>(...names: Name[]) =>
  (given: Record<string, unknown>): { [Each in Name]?: string } => {
    const found = names.filter((name) => given[name] !== undefined && given[name] !== "")
    return Object.fromEntries(found.map((name) => [name, String(given[name])])) as { [Each in Name]?: string }
  }
