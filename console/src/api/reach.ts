import { UnreachableError } from "./problem"

// A proxy answers in place of an API that is away.
const AWAY = new Set([502, 503, 504])
const OPEN_PATH = "/v1/session/options"

/** Fetch, and tell an API that does not answer from an error of the page. */
export async function reach(request: Request | string, options?: RequestInit): Promise<Response> {
  return fetch(request, options).catch((error: unknown) => {
    throw error instanceof TypeError ? new UnreachableError(error.message) : error
  })
}

/** Whether the API answers at the moment. */
export const isReachable = (): Promise<boolean> =>
  reach(OPEN_PATH).then(
    ({ status }) => !AWAY.has(status),
    () => false,
  )

/** Load a part of the console; where it fails because the API is away, say so. */
export const loadPart = <Part>(load: () => Promise<Part>): Promise<Part> =>
  load().catch(async (error: Error) => {
    throw (await isReachable()) ? error : new UnreachableError(error.message)
  })
