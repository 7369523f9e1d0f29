import { useState } from "react"
import { type Session, signOut } from "../session/session"
import { applyTheme, storedTheme, THEMES, type Theme } from "./theme"

/** Who is signed in, the theme, and the way out. */
export function Account({ session, help }: { session: Session; help: () => void }) {
  const [theme, setTheme] = useState(storedTheme)
  const choose = (chosen: Theme) => {
    applyTheme(chosen)
    setTheme(chosen)
  }
  const leave = async () => {
    await signOut()
    // Nothing that was read stays in memory.
    window.location.assign(import.meta.env.BASE_URL)
  }
  return (
    <div className="account">
      <span>
        <strong>{session.actor.name}</strong>
        {session.role ?? session.scopes.join(", ")}
      </span>
      <label className="field">
        Theme
        <select value={theme} onChange={(event) => choose(event.target.value as Theme)}>
          {THEMES.map((each) => (
            <option key={each}>{each}</option>
          ))}
        </select>
      </label>
      <div>
        <button type="button" onClick={help}>
          Shortcuts
        </button>
        <button type="button" onClick={() => void leave()}>
          Sign out
        </button>
      </div>
    </div>
  )
}
