import { Dialog } from "../ui/Dialog"
import type { navigationOf } from "./navigation"

export function ShortcutHelp({
  navigation,
  close,
}: {
  navigation: ReturnType<typeof navigationOf>
  close: () => void
}) {
  return (
    <Dialog title="Keyboard shortcuts" close={close}>
      <dl className="pairs">
        <dt>
          <kbd>?</kbd>
        </dt>
        <dd>This help</dd>
        <dt>
          <kbd>/</kbd>
        </dt>
        <dd>First filter of the page</dd>
        {navigation.flatMap(({ pages }) =>
          pages.map(({ key, label }) => (
            <div key={key} style={{ display: "contents" }}>
              <dt>
                <kbd>g</kbd> <kbd>{key}</kbd>
              </dt>
              <dd>{label}</dd>
            </div>
          )),
        )}
      </dl>
      <div className="row">
        <button type="button" onClick={close}>
          Close
        </button>
      </div>
    </Dialog>
  )
}
