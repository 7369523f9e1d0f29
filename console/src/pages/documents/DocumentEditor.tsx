import { useQuery } from "@tanstack/react-query"
import { type ReactNode, useState } from "react"
import { type DocumentProblem, problemOf } from "../../api/problem"
import { sessionQuery, useCan } from "../../session/session"
import { Refusal } from "../../ui/Refusal"
import { CodeEditor } from "./CodeEditor"
import "./editor.css"
import type { Schema } from "./schemaCompletion"

export type Files = Record<string, string>

/** A plan, and what applies exactly it. */
export interface Planned {
  summary: ReactNode
  apply: (() => Promise<{ error?: unknown }>) | undefined
}

/** A parameter of the plan besides the files; its first value holds unless another is chosen. */
export interface Choice {
  label: string
  values: Record<string, string>
}

const NONE: DocumentProblem[] = []

/** Files in an editor beside their plan. The API plans and applies; a change of a file makes the plan void. */
export function DocumentEditor({
  initial,
  schemaName,
  choice,
  plan,
  applied,
  actions,
}: {
  initial: Files
  schemaName: string
  choice?: Choice
  plan: (files: Files, chosen: string) => Promise<{ planned?: Planned; error?: unknown }>
  applied: () => void
  /** Further acts with the files. */
  actions?: (files: Files) => ReactNode
}) {
  const { data: session } = useQuery(sessionQuery)
  const schema = useSchema(schemaName)
  const mayAuthor = useCan("author")
  const edit = session?.console_edit ?? "off"
  const [files, setFiles] = useState(initial)
  const [shown, setShown] = useState(Object.keys(initial)[0] ?? "")
  const [chosen, setChosen] = useState(Object.keys(choice?.values ?? {})[0] ?? "")
  const [planned, setPlanned] = useState<Planned>()
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const problems = error === undefined ? NONE : (problemOf(error).problems ?? NONE)

  const change = (text: string) => {
    setFiles((before) => ({ ...before, [shown]: text }))
    setPlanned(undefined)
    setError(undefined)
  }
  const submit = async () => {
    setBusy(true)
    const answer = await plan(files, chosen).catch((thrown: unknown) => ({ planned: undefined, error: thrown }))
    setPlanned(answer.planned)
    setError(answer.error)
    setBusy(false)
  }
  const apply = async () => {
    setBusy(true)
    const answer = await planned?.apply?.().catch((thrown: unknown) => ({ error: thrown }))
    setBusy(false)
    setError(answer?.error)
    if (answer?.error === undefined) {
      setPlanned(undefined)
      applied()
    }
  }
  return (
    <div className="split">
      <div className="stack">
        {Object.keys(files).length > 1 && (
          <div className="row" role="group" aria-label="Files">
            {Object.keys(files).map((file) => (
              <button key={file} type="button" aria-pressed={file === shown} onClick={() => setShown(file)}>
                {file}
                {files[file] !== initial[file] && " •"}
              </button>
            ))}
          </div>
        )}
        <CodeEditor
          key={shown}
          label={shown}
          text={files[shown] ?? ""}
          change={change}
          problems={problems.filter(({ file }) => file === shown)}
          schema={shown === Object.keys(files)[0] ? schema : undefined}
          isReadOnly={edit === "off"}
        />
      </div>
      <section className="stack" aria-label="Plan">
        {edit === "off" && (
          <p className="notice">
            This deployment changes no document in the console. Set <code>console_edit</code> to <code>plan</code> or{" "}
            <code>apply</code>.
          </p>
        )}
        {choice && (
          <label className="field">
            {choice.label}
            <select
              value={chosen}
              onChange={(event) => {
                setChosen(event.target.value)
                setPlanned(undefined)
              }}
            >
              {Object.entries(choice.values).map(([value, text]) => (
                <option key={value} value={value}>
                  {text}
                </option>
              ))}
            </select>
          </label>
        )}
        <div className="row">
          <button type="button" className="primary" disabled={isBusy || edit === "off"} onClick={() => void submit()}>
            Plan
          </button>
          <button
            type="button"
            disabled={isBusy || planned?.apply === undefined || edit !== "apply" || !mayAuthor}
            title={edit === "apply" ? (mayAuthor ? undefined : "Needs the scope author") : "This deployment applies elsewhere"}
            onClick={() => void apply()}
          >
            Apply
          </button>
          {actions?.(files)}
        </div>
        {error !== undefined && <Refusal error={error} />}
        {planned?.summary ?? (
          <p className="soft">The plan says what a change would do, and to how many people, before anything happens.</p>
        )}
      </section>
    </div>
  )
}

function useSchema(name: string): Schema | undefined {
  return useQuery({
    queryKey: ["schema", name],
    queryFn: async () => (await (await fetch(`/v1/schemas/${name}.json`)).json()) as Schema,
    staleTime: Infinity,
  }).data
}
