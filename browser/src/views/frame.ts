// The frame of a message: its shadow root, its theme, and the texts of its buttons.

// The look is that of previews as well.
import css from "../../../domain/channels/in_app/style.css"
import { h } from "../dom.js"
import { listen } from "../signals.js"
import type { Stage } from "./stage.js"
import { choosePalette } from "./theme.js"

const LABELS: Readonly<Record<string, string>> = {
  close: "Close",
  back: "Back",
  next: "Next",
  done: "Done",
  submit: "Send",
  skip: "Skip",
  message: "Message",
  survey: "Survey",
  of: "of",
}

/** A text of the interface, in the language of the message if it has one. */
export const label = ({ content }: Stage, name: string): string => content.labels?.[name] ?? LABELS[name] ?? name

let sheet: CSSStyleSheet | undefined

/** A shadow root inside an element of the page, with the style of messages: an inline style would break a strict CSP. */
export function shade(parent: Element, kind: string): ShadowRoot {
  if (!sheet) {
    sheet = new CSSStyleSheet()
    sheet.replaceSync(css)
  }
  const host = h("div", { "data-sojourn": kind })
  const root = host.attachShadow({ mode: "open" })
  root.adoptedStyleSheets = [sheet]
  parent.append(host)
  return root
}

/** Wrap the parts of a message in its theme, language and direction. */
export function dress(stage: Stage, ...parts: Node[]): HTMLElement {
  const { dir, lang, theme } = stage.content
  const box = h("div", { class: "s", dir: dir ?? "ltr", lang }, parts)
  const dark = matchMedia("(prefers-color-scheme: dark)")
  const { mode = "auto", radius } = theme ?? {}
  const paint = () => {
    const isDark = mode === "dark" || (mode === "auto" && dark.matches)
    const palette = choosePalette(theme ?? {}, isDark)
    for (const [name, colour] of Object.entries(palette)) box.style.setProperty(`--${name}`, colour)
    box.style.colorScheme = isDark ? "dark" : "light"
  }
  if (radius != null) box.style.setProperty("--radius", `${radius}px`)
  paint()
  stage.onEnd(listen(dark, "change", paint))
  return box
}

/** Put a message before the page. */
export function mount(stage: Stage, ...parts: Node[]): void {
  const root = shade(document.body, stage.message.kind)
  stage.onEnd(() => root.host.remove())
  root.append(dress(stage, ...parts))
}
