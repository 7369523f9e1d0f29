import { api } from "../api/client"
import { problemOf } from "../api/problem"
import { Prose } from "./Prose"

// It leads to the text above it.
const NO_REMEDY = "`detail`"

/** The API begins with a small letter, as a part of a line; a name keeps its own. */
export const asSentence = (text: string) => text.replace(/^[a-z]+(?= )/, (word) => word[0]?.toUpperCase() + word.slice(1))

/** Why a call failed, with the remedy that the API knows for its code. */
export function Refusal({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = problemOf(error)
  const known = problem.status > 0
  const { data: kind } = api.useQuery(
    "get",
    "/problems/{code}",
    { params: { path: { code: problem.code } } },
    { enabled: known, staleTime: Infinity, retry: false },
  )
  return (
    <div className="notice bad" role="alert">
      <strong>{problem.title}</strong>
      <p>
        <Prose text={asSentence(problem.detail)} />
      </p>
      {kind && !kind.remedy.includes(NO_REMEDY) && (
        <p className="soft">
          <Prose text={kind.remedy} />
        </p>
      )}
      {problem.problems?.map((each, index) => (
        <p key={index}>
          <code>
            {each.file}:{each.line}
          </code>{" "}
          <Prose text={each.message} />{" "}
          <span className="soft">
            <Prose text={each.suggestion} />
          </span>
        </p>
      ))}
      {retry && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}
