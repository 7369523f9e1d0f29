import { useBlocker } from "@tanstack/react-router"
import { type RefObject, useCallback } from "react"
import { Dialog } from "./Dialog"

/** Ask before a text is lost: by a dialog where the console goes to another page, by the browser's own where it leaves. */
export function UnsavedGuard({ isUnsaved, children }: { isUnsaved: RefObject<boolean>; children: string }) {
  const blocker = useBlocker({
    shouldBlockFn: useCallback(
      ({ current, next }) =>
        isUnsaved.current &&
        (current.pathname !== next.pathname || JSON.stringify(current.search) !== JSON.stringify(next.search)),
      [isUnsaved],
    ),
    enableBeforeUnload: useCallback(() => isUnsaved.current, [isUnsaved]),
    withResolver: true,
  })
  if (blocker.status !== "blocked") return null
  const leave = () => {
    isUnsaved.current = false
    blocker.proceed()
  }
  return (
    <Dialog title="Leave without applying?" close={blocker.reset}>
      <p className="prose">{children}</p>
      <div className="row">
        <button type="button" className="primary" onClick={blocker.reset}>
          Stay
        </button>
        <button type="button" className="danger" onClick={leave}>
          Leave
        </button>
      </div>
    </Dialog>
  )
}
