import { type FormEvent, useState } from "react"
import { Dialog } from "../../ui/Dialog"
import type { Files } from "./files"
import { MAIL } from "./starters"

const ENDING = ".liquid"

/** The files of an editor, of which one is shown; templates are added and removed. */
export function FileTabs({
  files,
  before,
  shown,
  show,
  templates,
}: {
  files: Files
  /** The files as they were read. */
  before: Files
  shown: string
  show: (file: string) => void
  /** Absent where the files stay the same ones. */
  templates?: { add: (file: string, text: string) => void; remove: (file: string) => void }
}) {
  const names = Object.keys(files)
  return (
    <div className="row files">
      <div className="row" role="group" aria-label="Files">
        {names.map((file) => (
          <button key={file} type="button" aria-pressed={file === shown} onClick={() => show(file)}>
            {file}
            {files[file] !== before[file] && <span aria-label="changed"> •</span>}
          </button>
        ))}
      </div>
      {templates && <AddTemplate names={names} add={templates.add} />}
      {templates && shown !== names[0] && <RemoveTemplate file={shown} remove={() => templates.remove(shown)} />}
    </div>
  )
}

function AddTemplate({ names, add }: { names: string[]; add: (file: string, text: string) => void }) {
  const [isOpen, setOpen] = useState(false)
  const [fault, setFault] = useState("")
  const close = () => {
    setOpen(false)
    setFault("")
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const name = String(new FormData(event.currentTarget).get("name")).trim()
    const file = name.includes(".") ? name : `${name}${ENDING}`
    if (names.includes(file)) setFault(`There is a file ${file} already.`)
    else {
      close()
      add(file, file.endsWith(ENDING) && !file.includes("/") ? MAIL : "")
    }
  }
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Add template
      </button>
      {isOpen && (
        <Dialog title="Add template" close={close}>
          <form className="page" onSubmit={submit}>
            <p className="prose">
              A step names it: <code>{"send: {channel: email, template: welcome}"}</code> reads{" "}
              <code>welcome{ENDING}</code>. A language stands before the ending, as in <code>welcome.de{ENDING}</code>;
              layouts and blocks have a folder, as in <code>layouts/shop{ENDING}</code>.
            </p>
            <label className="field">
              File name
              <input name="name" required maxLength={255} autoComplete="off" autoFocus spellCheck={false} />
            </label>
            {fault !== "" && (
              <p className="notice bad" role="alert">
                {fault}
              </p>
            )}
            <div className="row">
              <button type="submit" className="primary">
                Add
              </button>
              <button type="button" onClick={close}>
                Cancel
              </button>
            </div>
          </form>
        </Dialog>
      )}
    </>
  )
}

function RemoveTemplate({ file, remove }: { file: string; remove: () => void }) {
  const [isOpen, setOpen] = useState(false)
  const close = () => setOpen(false)
  return (
    <>
      <button type="button" onClick={() => setOpen(true)}>
        Remove {file}
      </button>
      {isOpen && (
        <Dialog title={`Remove ${file}`} close={close}>
          <p className="prose">
            The text in the editor is dropped. Published versions keep theirs; the next version is without the file.
          </p>
          <div className="row">
            <button
              type="button"
              className="danger"
              onClick={() => {
                close()
                remove()
              }}
            >
              Remove
            </button>
            <button type="button" onClick={close}>
              Cancel
            </button>
          </div>
        </Dialog>
      )}
    </>
  )
}
