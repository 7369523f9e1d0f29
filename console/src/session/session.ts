import { queryOptions, useQuery } from "@tanstack/react-query"
import type { Schemas } from "../api/client"
import type { Problem } from "../api/problem"
import { reach } from "../api/reach"
import { setClock } from "../clock"

/** Who uses the console, as the API knows it. */
export type Session = Schemas["CurrentSession"]

/** The scope that an act needs. Every session may read. */
export type Need = "author" | "operate" | "admin" | "people" | "approve"

const PATH = "/v1/session"
// Where this tab remembers that it has had a session.
const MARK = "sojourn.session"

async function call<Answer>(path: string, request?: RequestInit): Promise<Answer> {
  const answer = await reach(path, { credentials: "same-origin", ...request })
  if (answer.status === 204) return undefined as Answer
  const body = (await answer.json()) as unknown
  if (!answer.ok) throw body
  return body as Answer
}

async function openSession(request?: RequestInit): Promise<Session> {
  const session = await call<Session>(PATH, request)
  setClock(session.at)
  sessionStorage.setItem(MARK, session.id)
  return session
}

export const sessionQuery = queryOptions<Session, Problem>({
  queryKey: ["session"],
  queryFn: () => openSession(),
  staleTime: 60_000,
  retry: false,
})

export const signInOptions = queryOptions({
  queryKey: ["session", "options"],
  queryFn: () => call<{ single_sign_on: boolean }>(`${PATH}/options`),
  staleTime: Infinity,
  retry: false,
})

/** The address of a log-in that comes back to a page of the console. */
export const singleSignOn = (page: string): string => `${PATH}/oidc?return_to=${encodeURIComponent(page)}`

export const signIn = (key: string): Promise<Session> =>
  openSession({
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ key }),
  })

export async function signOut(): Promise<void> {
  await call(PATH, { method: "DELETE" })
  sessionStorage.removeItem(MARK)
}

/** Whether this tab has lost a session that the person did not end. */
export const hasLostSession = (): boolean => sessionStorage.getItem(MARK) !== null

/** Whether to offer an act; the API decides about it anew. */
export function useCan(need: Need): boolean {
  const { data } = useQuery(sessionQuery)
  return data?.scopes.includes(need) ?? false
}
