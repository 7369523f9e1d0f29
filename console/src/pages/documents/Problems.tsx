import type { RefObject } from "react"
import type { DocumentProblem } from "../../api/problem"
import { formatCount } from "../../format/number"
import { Prose } from "../../ui/Prose"
import { asSentence } from "../../ui/Refusal"

/** The problems of the files, each with the way to its line. */
export function Problems({
  at,
  problems,
  goTo,
}: {
  at: RefObject<HTMLElement | null>
  problems: DocumentProblem[]
  goTo: (file: string, line: number) => void
}) {
  return (
    <section ref={at} tabIndex={-1} className="problems" aria-label="Problems">
      <div role="status">{problems.length > 0 && <h2>{formatCount(problems.length, "problem")}</h2>}</div>
      <ul className="stack">
        {problems.map(({ file, line, message, suggestion }, index) => (
          <li key={index}>
            <button type="button" className="link" onClick={() => goTo(file, line)}>
              {file}:{line}
            </button>{" "}
            <Prose text={asSentence(message)} />.{" "}
            <span className="soft">
              <Prose text={suggestion} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  )
}
