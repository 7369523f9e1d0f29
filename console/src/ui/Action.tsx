import { useQueryClient } from "@tanstack/react-query"
import { type FormEvent, type ReactNode, useState } from "react"
import { type Need, useCan } from "../session/session"
import { Dialog } from "./Dialog"
import { Refusal } from "./Refusal"

const ACCEPTED = 202

/** A button for an act that says first what it will do. `run` is given the form's fields. */
export function Action({
  label,
  title,
  effect,
  needs,
  fields,
  waits,
  isDangerous = false,
  run,
}: {
  label: string
  title: string
  effect: ReactNode
  needs: Need
  fields?: ReactNode
  /** What to say where the API has accepted it, and something else has to happen first. */
  waits?: string
  isDangerous?: boolean
  run: (form: FormData) => Promise<{ error?: unknown; response: Response }>
}) {
  const queries = useQueryClient()
  const can = useCan(needs)
  const [isOpen, setOpen] = useState(false)
  const [error, setError] = useState<unknown>(undefined)
  const [isBusy, setBusy] = useState(false)
  const [isWaiting, setWaiting] = useState(false)
  const close = () => {
    setOpen(false)
    setError(undefined)
    setWaiting(false)
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setBusy(true)
    const { error: failure, response } = await run(new FormData(event.currentTarget)).catch((thrown: unknown) => ({
      error: thrown,
      response: undefined,
    }))
    setBusy(false)
    setError(failure)
    if (failure !== undefined) return
    await queries.invalidateQueries()
    if (waits !== undefined && response?.status === ACCEPTED) setWaiting(true)
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
            <div className="prose">{effect}</div>
            {fields}
            {error !== undefined && <Refusal error={error} />}
            {isWaiting && (
              <p className="notice warn" role="status">
                {waits}
              </p>
            )}
            <div className="row">
              {!isWaiting && (
                <button type="submit" className={isDangerous ? "danger" : "primary"} disabled={isBusy}>
                  {label}
                </button>
              )}
              <button type="button" onClick={close}>
                {isWaiting ? "Close" : "Cancel"}
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  )
}
