import { useQuery, useQueryClient } from "@tanstack/react-query"
import { type FormEvent, useEffect, useState } from "react"
import { hasLostSession, sessionQuery, signIn, signInOptions, singleSignOn } from "../session/session"
import { Refusal } from "../ui/Refusal"
import { Logo } from "./Logo"

export function SignIn() {
  const queries = useQueryClient()
  const { data: options } = useQuery(signInOptions)
  const [error, setError] = useState<unknown>(undefined)
  const [isBusy, setBusy] = useState(false)
  useEffect(() => {
    document.title = "Sign in · Sojourn"
  }, [])
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const key = String(new FormData(event.currentTarget).get("key")).trim()
    setBusy(true)
    try {
      // A former user's answers are not shown to the next one.
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== "session" })
      queries.setQueryData(sessionQuery.queryKey, await signIn(key))
    } catch (thrown) {
      setError(thrown)
      setBusy(false)
    }
  }
  return (
    <main className="signin">
      <form onSubmit={(event) => void submit(event)}>
        <div className="row">
          <Logo />
          <h1>Sign in to Sojourn</h1>
        </div>
        {hasLostSession() && (
          <p className="notice warn" role="status">
            Your session has ended: it ran out, was ended, or its key was revoked. Sign in to go on at this page.
          </p>
        )}
        {options?.single_sign_on && (
          <a className="button" href={singleSignOn(location.pathname + location.search)}>
            Continue with single sign-on
          </a>
        )}
        <label className="field">
          Key
          {/* A password manager offers to keep it. */}
          <input name="key" type="password" autoComplete="current-password" required autoFocus spellCheck={false} />
        </label>
        {error !== undefined && <Refusal error={error} />}
        <button type="submit" className="primary" disabled={isBusy}>
          Sign in
        </button>
        <p className="soft small">
          A server key with the scope <code>read</code> or more. <code>sojourn keys create</code> makes one.
        </p>
      </form>
    </main>
  )
}
