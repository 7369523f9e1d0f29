import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type ReactNode, useState } from "react"
import { type Need, useCan } from "../session/session"
import { Dialog } from "./Dialog"
import { Refusal } from "./Refusal"

const ACCEPTED = 202

/** A button for an act that says first what it will do. `run` is given the form's fields. */
export function Action<Answer>({
  label,
  title,
  effect,
  needs,
  fields,
  waits,
  answered,
  isDangerous = false,
  run,
}: {
  label: string
  title: string
  effect: ReactNode
  needs: Need
  fields?: ReactNode
  /** The text where the API has accepted it, and something else has to happen first. */
  waits?: ReactNode
  /** The part of the answer to show until it is closed. */
  answered?: (answer: Answer) => ReactNode
  isDangerous?: boolean
  run: (form: FormData) => Promise<{ data?: Answer; error?: unknown; response: Response }>
}) {
  const queries = useQueryClient()
  const can = useCan(needs)
  const [isOpen, setOpen] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const [isBusy, setBusy] = useState(false)
  const [result, setResult] = useState<ReactNode>(undefined)
  const close = () => {
    setOpen(false)
    setError(undefined)
    setResult(undefined)
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    const outcome = await run(new FormData(event.currentTarget)).catch((thrown: unknown) => ({
      data: undefined,
      error: thrown,
      response: undefined,
    }))
    if (outcome.error === undefined) await queries.invalidateQueries()
    setBusy(false)
    setError(outcome.error)
    if (outcome.error !== undefined) return
    const shown =
      outcome.data !== undefined && answered !== undefined
        ? answered(outcome.data)
        : outcome.response?.status === ACCEPTED && waits
    if (shown) setResult(shown)
    else close()
  }
  return (
    <>
      <button
        type="button"
        disabled={!can}
        title={can ? undefined : `Needs the scope ${needs}`}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen && (
        <Dialog title={title} close={close}>
          <form className="page" onSubmit={(event) => void submit(event)}>
            {result ? (
              <div className="notice stack" role="status">
                {result}
              </div>
            ) : (
              <>
                <div className="prose">{effect}</div>
                {fields}
              </>
            )}
            {error !== undefined && <Refusal error={error} />}
            <div className="row">
              {!result && (
                <button type="submit" className={isDangerous ? "danger" : "primary"} disabled={isBusy}>
                  {label}
                </button>
              )}
              <button type="button" onClick={close}>
                {result ? "Close" : "Cancel"}
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  )
}
