import { useQuery } from "@tanstack/react-query"
import { type ReactNode, useEffect, useRef, useState } from "react"
import { flushSync } from "react-dom"
import { type DocumentProblem, problemOf } from "../../api/problem"
import { reach } from "../../api/reach"
import { sessionQuery } from "../../session/session"
import { Badge } from "../../ui/Badge"
import { UnsavedGuard } from "../../ui/UnsavedGuard"
import { CodeEditor, KEYS, type Target } from "./CodeEditor"
import "./editor.css"
import { keepDraft, takeDraft } from "./drafts"
import { type Files, isSame } from "./files"
import { FileTabs } from "./FileTabs"
import { MessagePreview } from "./MessagePreview"
import { PlanSection } from "./PlanSection"
import { Problems } from "./Problems"
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

/** Draws files, and names the steps that send a message. */
export type Draw = (files: Files) => Promise<{ drawing?: Drawing; steps?: string[]; error?: unknown }>

/** A parameter of the plan besides the files; its first value holds unless another is chosen. */
export interface Choice {
  label: string
  values: Record<string, string>
}

const NONE: DocumentProblem[] = []
const PANES = { graph: "Graph", preview: "Preview", plan: "Plan" } as const

/**
 * Files in an editor beside their graph, which is drawn as they are typed, and their plan. The API plans and applies; a
 * change of a file makes the plan void, and so does a version that is published meanwhile. It takes the place of an
 * unchanged text alone.
 */
export function DocumentEditor({
  version,
  initial,
  schemaName,
  choice,
  plan,
  draw,
  takesTemplates = false,
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
  /** Whether files may be added beside the document. */
  takesTemplates?: boolean
  applied: () => void
  /** Further acts with the files. */
  actions?: (files: Files, steps: string[]) => ReactNode
}) {
  const { data: session } = useQuery(sessionQuery)
  const schema = useSchema(schemaName)
  const edit = session?.console_edit ?? "off"
  const actor = session?.actor.id ?? ""
  const [draft] = useState(() => takeDraft(actor))
  const [base, setBase] = useState(draft?.base ?? { version, files: initial })
  const [files, setFiles] = useState(draft?.files ?? initial)
  const [first = ""] = Object.keys(files)
  const [shown, setShown] = useState(first)
  const [target, setTarget] = useState<Target>()
  const [chosen, setChosen] = useState(Object.keys(choice?.values ?? {})[0] ?? "")
  const [planned, setPlanned] = useState<Planned>()
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const [isApplied, setApplied] = useState(false)
  const [pane, setPane] = useState<keyof typeof PANES>("graph")
  const planSection = useRef<HTMLElement>(null)
  const problemSection = useRef<HTMLElement>(null)
  const isDrawn = draw !== undefined
  const typed = useTypedGraph(files, draw)
  const problems = problemsOf(error ?? typed.error)
  const isChanged = !isSame(files, base.files)
  const isUnsaved = useRef(false)
  isUnsaved.current = isChanged
  const text = useRef({ actor, base, files })
  text.current = { actor, base, files }
  // It is taken out of the page with a change only where the session has ended.
  useEffect(() => () => void (isUnsaved.current && keepDraft(text.current)), [])

  const show = (file: string, line?: number) => {
    if (!(file in files)) return
    setShown(file)
    setTarget(line === undefined ? undefined : { line })
  }

  // An answer about an earlier text is void, as a plan of it is.
  const asked = useRef<Files>(undefined)
  const forget = () => {
    asked.current = undefined
    setPlanned(undefined)
    setError(undefined)
    setApplied(false)
    setPane((shown) => (shown === "plan" ? "graph" : shown))
  }
  const change = (text: string) => {
    setFiles((before) => ({ ...before, [shown]: text }))
    forget()
  }
  const add = (file: string, text: string) => {
    setFiles((before) => ({ ...before, [file]: text }))
    setShown(file)
    setTarget({ line: 1 })
    forget()
  }
  const remove = (file: string) => {
    setFiles(({ [file]: _, ...others }) => others)
    setShown(first)
    setTarget(undefined)
    forget()
  }
  const submit = async () => {
    if (isBusy) return
    asked.current = files
    setBusy(true)
    const answer = await plan(files, chosen).catch((thrown: unknown) => ({ planned: undefined, error: thrown }))
    if (asked.current !== files) return setBusy(false)
    // The answer is there before it has the focus.
    flushSync(() => {
      setBusy(false)
      setPlanned(answer.planned)
      setError(answer.error)
      setApplied(false)
      setPane("plan")
    })
    const section = (problemsOf(answer.error).length > 0 ? problemSection : planSection).current
    section?.focus({ preventScroll: true })
    section?.scrollIntoView({ block: "nearest" })
  }
  const take = () => {
    setBase({ version, files: initial })
    setFiles(initial)
    if (!(shown in initial)) {
      setShown(Object.keys(initial)[0] ?? "")
      setTarget(undefined)
    }
    forget()
  }
  const isBehind = version !== base.version
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
      setApplied(true)
      isUnsaved.current = false
      applied()
    }
  }
  const planOf = (
    <PlanSection
      at={planSection}
      error={error}
      planned={planned}
      isApplied={isApplied}
      isBusy={isBusy}
      apply={() => void apply()}
    />
  )
  return (
    <div className="page">
      <UnsavedGuard isUnsaved={isUnsaved}>
        {`The changes of ${listChanged(files, base.files)} are not applied. If you leave, they are lost.`}
      </UnsavedGuard>
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
          {actions?.(files, typed.steps)}
        </div>
      </div>
      {edit === "off" && (
        <p className="notice">
          <span>
            This deployment changes no document in the console. Set <code>SOJOURN_CONSOLE_EDIT</code> to <code>plan</code> or{" "}
            <code>apply</code>, and restart the API.
          </span>
        </p>
      )}
      {draft !== undefined && isChanged && (
        <p className="notice" role="status">
          This is your text from before your session ended. It is not applied yet.
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
          {(takesTemplates || Object.keys(files).length > 1) && (
            <FileTabs
              files={files}
              before={base.files}
              shown={shown}
              show={show}
              templates={takesTemplates && edit !== "off" ? { add, remove } : undefined}
            />
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
          <p className="small soft" aria-hidden="true">
            {KEYS}
          </p>
          <Problems at={problemSection} problems={problems} goTo={show} />
        </div>
        {isDrawn ? (
          <div className="stack">
            <div className="row pane-head">
              <div className="row nowrap" role="group" aria-label="Beside the text">
                {(Object.keys(PANES) as (keyof typeof PANES)[]).map((name) => (
                  <button key={name} type="button" aria-pressed={name === pane} onClick={() => setPane(name)}>
                    {PANES[name]}
                  </button>
                ))}
              </div>
              {pane === "graph" && <TypedState error={typed.error} isDrawn={typed.drawing !== undefined} />}
            </div>
            {pane === "graph" && (
              <section aria-label="Graph">{typed.drawing?.((line) => show(first, line))}</section>
            )}
            {pane === "preview" && (
              <section className="stack" aria-label="Preview">
                <MessagePreview files={files} steps={typed.steps} />
              </section>
            )}
            {pane === "plan" && planOf}
          </div>
        ) : (
          planOf
        )}
      </div>
    </div>
  )
}

/** Says which text is drawn: as it is typed, or an earlier one while the text has a problem. */
function TypedState({ error, isDrawn }: { error: unknown; isDrawn: boolean }) {
  if (error === undefined) return <p className="small soft">A step leads to its line.</p>
  return (
    <p role="status">
      <Badge tone="warn">{isDrawn ? "of the text before" : "no graph"}</Badge>{" "}
      {problemsOf(error).length === 0 && <span className="small">{problemOf(error).detail}</span>}
    </p>
  )
}

const problemsOf = (error: unknown): DocumentProblem[] =>
  error === undefined ? NONE : (problemOf(error).problems ?? NONE)

/** Name the files that differ. */
const listChanged = (files: Files, before: Files): string =>
  [...new Set([...Object.keys(files), ...Object.keys(before)])].filter((file) => files[file] !== before[file]).join(", ")

function useSchema(name: string): Schema | undefined {
  return useQuery({
    queryKey: ["schema", name],
    queryFn: async () => (await (await reach(`/v1/schemas/${name}.json`)).json()) as Schema,
    staleTime: Infinity,
  }).data
}
