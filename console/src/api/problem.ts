/** A problem that a document has, with its place. */
export interface DocumentProblem {
  file: string
  line: number
  path: string
  message: string
  suggestion: string
}

/** A refusal as the API gives it (RFC 9457). */
export interface Problem {
  status: number
  code: string
  title: string
  detail: string
  problems?: DocumentProblem[]
}

/** The API did not answer. */
export class UnreachableError extends Error {}

const UNREACHABLE: Problem = {
  status: 0,
  code: "unreachable",
  title: "No answer",
  detail: "The API did not answer. Look whether it runs, and whether this machine reaches it.",
}

/** Read a thrown error as a problem. */
export function problemOf(error: unknown): Problem {
  if (typeof error === "object" && error !== null && "code" in error && "detail" in error) return error as Problem
  if (error instanceof UnreachableError) return UNREACHABLE
  const detail = error instanceof Error ? error.message : String(error)
  return { ...UNREACHABLE, code: "unexpected", title: "Unexpected error", detail: detail.slice(0, 500) }
}
