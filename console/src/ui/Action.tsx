import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type ReactNode, useRef, useState } from "react"
import { nameAct } from "../api/client"
import { problemOf } from "../api/problem"
import { type Need, useCan } from "../session/session"
import { Dialog } from "./Dialog"
import { Refusal } from "./Refusal"
import { refreshAfterAct } from "./refresh"

const ACCEPTED = 202
const FAILED = 500

interface Outcome<Answer> {
  data?: Answer
  error?: unknown
  response?: Response
}

/** A button for an act that says first what it will do. `run` is given a name of the act, and the form's fields. */
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
  run: (act: string, form: FormData) => Promise<Outcome<Answer>>
}) {
  const queries = useQueryClient()
  const can = useCan(needs)
  const [isOpen, setOpen] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const [isBusy, setBusy] = useState(false)
  const [result, setResult] = useState<ReactNode>(undefined)
  // The request as it was sent last. Its answer may be lost: until there is one, a repeat is the same request.
  const sent = useRef<() => Promise<Outcome<Answer>>>(undefined)
  // An answer that comes after its dialog was closed is not of the next one.
  const dialog = useRef(0)
  const forget = () => {
    sent.current = undefined
  }
  const close = () => {
    dialog.current += 1
    forget()
    setOpen(false)
    setBusy(false)
    setError(undefined)
    setResult(undefined)
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    const mine = dialog.current
    const act = nameAct()
    const form = new FormData(event.currentTarget)
    sent.current ??= () => run(act, form)
    const outcome = await sent.current().catch((thrown: unknown): Outcome<Answer> => ({ error: thrown }))
    if (outcome.error === undefined) await refreshAfterAct(queries)
    if (dialog.current !== mine) return
    if (isAnswered(outcome)) forget()
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
        // It says what it needs when it is pressed, also by the keyboard.
        aria-disabled={!can || undefined}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen && !can && (
        <Dialog title={title} close={close}>
          <p className="prose">
            This needs the scope <code>{needs}</code>, which your session lacks. Sign in with a key that has it, or ask an
            admin for one.
          </p>
          <div className="row">
            <button type="button" onClick={close}>
              Close
            </button>
          </div>
        </Dialog>
      )}
      {isOpen && can && (
        <Dialog title={title} close={close}>
          <form className="page" onChange={forget} onSubmit={(event) => void submit(event)}>
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

/** Whether it is known what the request has done. A server that fails, or is still at it, has not said. */
function isAnswered({ error, response }: Outcome<unknown>): boolean {
  return response !== undefined && response.status < FAILED && problemOf(error).code !== "idempotency_in_progress"
}
