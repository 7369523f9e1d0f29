import { type ReactNode, useEffect, useRef } from "react"

/** A dialog of the browser's own: it keeps the focus, closes by Escape, and gives the focus back. */
export function Dialog({ title, close, children }: { title: string; close: () => void; children: ReactNode }) {
  const dialog = useRef<HTMLDialogElement>(null)
  useEffect(() => {
    const shown = dialog.current
    shown?.showModal()
    return () => shown?.close()
  }, [])
  return (
    <dialog ref={dialog} aria-label={title} onClose={close}>
      <div className="page">
        <h2>{title}</h2>
        {children}
      </div>
    </dialog>
  )
}
