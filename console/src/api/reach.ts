import { UnreachableError } from "./problem"

/** Fetch, and tell an API that does not answer from an error of the page. */
export async function reach(request: Request | string, options?: RequestInit): Promise<Response> {
  return fetch(request, options).catch((error: unknown) => {
    throw error instanceof TypeError ? new UnreachableError(error.message) : error
  })
}
