import { type ReactNode, type SyntheticEvent, useLayoutEffect, useRef } from "react"

/** A dialog of the browser's own: it keeps the focus, closes by Escape, and gives the focus back. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null)
  // Before the page changes: a dialog that is taken out of it gives no focus back.
  useLayoutEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    return () => {
      shown?.close()
      setTimeout(keepFocus)
    }
  }, [])
  // The browser would close it by itself first and tell later: a key pressed in between would be lost.
  const cancel = (event: SyntheticEvent) => {
    event.preventDefault()
    close()
  }
  return (
    <dialog ref={dialog} aria-label={title} onCancel={cancel} onClose={close}>
      <div className="page">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}

/** The act of a dialog may take away the button that opened it: then the keyboard goes on with the page. */
function keepFocus(): void {
  if (document.activeElement === document.body) document.getElementById("main")?.focus({ preventScroll: true })
}
