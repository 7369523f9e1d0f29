import { useQuery } from "@tanstack/react-query"
import { type ReactNode, type RefObject, useEffect, useRef, useState } from "react"
import { type DocumentProblem, problemOf } from "../../api/problem"
import { reach } from "../../api/reach"
import { sessionQuery, useCan } from "../../session/session"
import { Badge } from "../../ui/Badge"
import { Refusal } from "../../ui/Refusal"
import { CodeEditor, type Target } from "./CodeEditor"
import "./editor.css"
import type { Files } from "./files"
import type { Schema } from "./schemaCompletion"
import { useTypedGraph } from "./useTypedGraph"

/** A plan, and what applies exactly it. */
export interface Planned {
  summary: ReactNode
  apply: (() => Promise<{ error?: unknown }>) | undefined
}

export type Plan = (files: Files, chosen: string) => Promise<{ planned?: Planned; error?: unknown }>

/** A drawing of a document leads to its lines. */
export type Drawing = (goTo: (line: number) => void) => ReactNode

export type Draw = (files: Files) => Promise<{ drawing?: Drawing; error?: unknown }>

/** A parameter of the plan besides the files; its first value holds unless another is chosen. */
export interface Choice {
  label: string
  values: Record<string, string>
}

const NONE: DocumentProblem[] = []

/**
 * Files in an editor beside their plan, or below it, where they are drawn as they are typed. The API plans and applies;
 * a change of a file makes the plan void, and so does a version that is published meanwhile. It takes the place of an
 * unchanged text alone.
 */
export function DocumentEditor({
  version,
  initial,
  schemaName,
  choice,
  plan,
  draw,
  applied,
  actions,
}: {
  /** The version that `initial` is; a new document has none. */
  version?: number
  initial: Files
  schemaName: string
  choice?: Choice
  plan: Plan
  /** Without it, only the plan stands beside the files. */
  draw?: Draw
  applied: () => void
  /** Further acts with the files. */
  actions?: (files: Files) => ReactNode
}) {
  const { data: session } = useQuery(sessionQuery)
  const schema = useSchema(schemaName)
  const mayAuthor = useCan("author")
  const edit = session?.console_edit ?? "off"
  const [base, setBase] = useState({ version, files: initial })
  const [files, setFiles] = useState(initial)
  const [first = ""] = Object.keys(files)
  const [shown, setShown] = useState(first)
  const [target, setTarget] = useState<Target>()
  const [chosen, setChosen] = useState(Object.keys(choice?.values ?? {})[0] ?? "")
  const [planned, setPlanned] = useState<Planned>()
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const summary = useRef<HTMLElement>(null)
  const isDrawn = draw !== undefined
  const typed = useTypedGraph(files, draw)
  const problems = problemsOf(error ?? typed.error)

  const show = (file: string, line?: number) => {
    setShown(file)
    setTarget(line === undefined ? undefined : { line })
  }

  // An answer about an earlier text is void, as a plan of it is.
  const asked = useRef<Files>(undefined)
  const forget = () => {
    asked.current = undefined
    setPlanned(undefined)
    setError(undefined)
  }
  const change = (text: string) => {
    setFiles((before) => ({ ...before, [shown]: text }))
    forget()
  }
  const submit = async () => {
    asked.current = files
    setBusy(true)
    const answer = await plan(files, chosen).catch((thrown: unknown) => ({ planned: undefined, error: thrown }))
    setBusy(false)
    if (asked.current !== files) return
    setPlanned(answer.planned)
    setError(answer.error)
    summary.current?.scrollIntoView({ block: "nearest" })
  }
  const take = () => {
    setBase({ version, files: initial })
    setFiles(initial)
    if (!(shown in initial)) show(Object.keys(initial)[0] ?? "")
    forget()
  }
  const isBehind = version !== base.version
  const isChanged = Object.entries(files).some(([file, text]) => text !== base.files[file])
  useEffect(() => {
    if (!isBehind) return
    if (isChanged) forget()
    else take()
  }, [version, isBehind, isChanged])
  const apply = async () => {
    setBusy(true)
    const applying = files
    const answer = await planned?.apply?.().catch((thrown: unknown) => ({ error: thrown }))
    setBusy(false)
    setError(answer?.error)
    if (answer?.error === undefined) {
      setBase({ version: base.version, files: applying })
      setPlanned(undefined)
      applied()
    }
  }
  return (
    <div className="page">
      <div className="row editor-bar">
        {choice && (
          <label className="field">
            {choice.label}
            <select
              value={chosen}
              onChange={(event) => {
                setChosen(event.target.value)
                forget()
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
      </div>
      {edit === "off" && (
        <p className="notice">
          This deployment changes no document in the console. Set <code>console_edit</code> to <code>plan</code> or{" "}
          <code>apply</code>.
        </p>
      )}
      {isBehind && isChanged && (
        <div className="notice row" role="status">
          Version {version} was published meanwhile: this text is over version {base.version}.
          <button type="button" onClick={take}>
            Take version {version} instead
          </button>
        </div>
      )}
      <div className={isDrawn ? "panes" : "split"}>
        <div className="stack">
          {Object.keys(files).length > 1 && (
            <div className="row" role="group" aria-label="Files">
              {Object.keys(files).map((file) => (
                <button key={file} type="button" aria-pressed={file === shown} onClick={() => show(file)}>
                  {file}
                  {files[file] !== base.files[file] && " •"}
                </button>
              ))}
            </div>
          )}
          <CodeEditor
            key={`${base.version} ${shown}`}
            label={shown}
            text={files[shown] ?? ""}
            change={change}
            problems={problems.filter(({ file }) => file === shown)}
            schema={shown === first ? schema : undefined}
            isReadOnly={edit === "off"}
            target={target}
          />
        </div>
        {isDrawn && (
          <section className="stack" aria-label="Graph">
            <TypedState error={typed.error} isDrawn={typed.drawing !== undefined} />
            {typed.drawing?.((line) => show(first, line))}
          </section>
        )}
        {!isDrawn && <PlanSection at={summary} error={error} planned={planned} />}
      </div>
      {isDrawn && <PlanSection at={summary} error={error} planned={planned} />}
    </div>
  )
}

function PlanSection({
  at,
  error,
  planned,
}: {
  at: RefObject<HTMLElement | null>
  error: unknown
  planned: Planned | undefined
}) {
  return (
    <section ref={at} className="stack plan" aria-label="Plan">
      {error !== undefined && <Refusal error={error} />}
      {planned?.summary ?? (
        <p className="soft">The plan says what a change would do, and to how many people, before anything happens.</p>
      )}
    </section>
  )
}

/** Names the text that is drawn: as it is typed, or an earlier one while the text has an error. */
function TypedState({ error, isDrawn }: { error: unknown; isDrawn: boolean }) {
  const [first] = problemsOf(error)
  const said = first === undefined ? problemOf(error).detail : `${first.file}:${first.line} ${first.message}`
  return (
    <p className="pane-head" role="status" title={error === undefined ? undefined : said}>
      {error === undefined ? (
        <span className="soft">A step leads to its line.</span>
      ) : (
        <>
          <Badge tone="warn">{isDrawn ? "of the text before" : "no graph"}</Badge> {said}
        </>
      )}
    </p>
  )
}

const problemsOf = (error: unknown): DocumentProblem[] =>
  error === undefined ? NONE : (problemOf(error).problems ?? NONE)

function useSchema(name: string): Schema | undefined {
  return useQuery({
    queryKey: ["schema", name],
    queryFn: async () => (await (await reach(`/v1/schemas/${name}.json`)).json()) as Schema,
    staleTime: Infinity,
  }).data
}
