import { useEffect } from "react"
import { UnreachableError } from "../api/problem"
import { isReachable } from "../api/reach"
import { Page } from "../ui/Page"
import { Refusal } from "../ui/Refusal"

const RETRY_MILLISECONDS = 5_000

/** In place of a page that failed; one that could not be loaded is, once the API answers again. */
export function Unloaded({ error, reset }: { error: unknown; reset: () => void }) {
  if (!(error instanceof UnreachableError)) return <Refusal error={error} retry={reset} />
  return (
    <Page title="Not loaded">
      <Reloading error={error} />
    </Page>
  )
}

function Reloading({ error }: { error: Error }) {
  useEffect(() => {
    const timer = setInterval(() => void reload(), RETRY_MILLISECONDS)
    return () => clearInterval(timer)
  }, [])
  return <Refusal error={error} retry={() => void reload()} />
}

/** Load the address anew, with the console around it: never while the browser could show its own error alone. */
async function reload(): Promise<void> {
  if (await isReachable()) window.location.reload()
}
