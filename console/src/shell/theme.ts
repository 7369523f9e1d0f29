export type Theme = "system" | "light" | "dark"

const NAME = "sojourn-theme"

export const THEMES: readonly Theme[] = ["system", "light", "dark"]

/** The theme that was chosen in this browser. */
export function storedTheme(): Theme {
  const stored = localStorage.getItem(NAME)
  return THEMES.find((theme) => theme === stored) ?? "system"
}

/** Show a theme, and keep it for the next visit; `system` follows the machine's. */
export function applyTheme(theme: Theme): void {
  if (theme === "system") {
    localStorage.removeItem(NAME)
    delete document.documentElement.dataset.theme
  } else {
    localStorage.setItem(NAME, theme)
    document.documentElement.dataset.theme = theme
  }
}
