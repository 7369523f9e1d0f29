import { autocompletion, completionKeymap, type CompletionSource } from "@codemirror/autocomplete"
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands"
import { yaml } from "@codemirror/lang-yaml"
import { HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language"
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint"
import { EditorState } from "@codemirror/state"
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view"
import { tags } from "@lezer/highlight"
import { useEffect, useRef } from "react"
import type { DocumentProblem } from "../../api/problem"
import { complete, type Schema } from "./schemaCompletion"

const THEME = EditorView.theme({
  "&": { backgroundColor: "var(--surface)", color: "var(--text)", fontSize: "13px", height: "100%" },
  "&.cm-focused": { outline: "2px solid var(--accent)" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.55" },
  ".cm-gutters": { backgroundColor: "var(--sunken)", color: "var(--text-soft)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--accent-soft)",
  },
  ".cm-tooltip": { backgroundColor: "var(--surface)", color: "var(--text)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--text)" },
})

const COLORS = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: "var(--accent)" },
  { tag: [tags.string, tags.content], color: "var(--text)" },
  { tag: [tags.number, tags.bool, tags.atom], color: "var(--good)" },
  { tag: [tags.comment, tags.lineComment], color: "var(--text-soft)", fontStyle: "italic" },
])

// No key is trapped: that of CodeMirror's own commands indents.
export const KEYS = "Tab leaves the editor. Ctrl+] and Ctrl+[ (⌘ on a Mac) indent, Ctrl+Space completes."

/** A line to go to; each new one is gone to. */
export interface Target {
  line: number
}

/** A document in an editor, with its problems on their lines. It has a root of its own, so that the page's policy need allow no styles of scripts. */
export function CodeEditor({
  label,
  text,
  change,
  problems,
  schema,
  isReadOnly,
  target,
}: {
  label: string
  text: string
  change: (text: string) => void
  problems: DocumentProblem[]
  schema: Schema | undefined
  isReadOnly: boolean
  target: Target | undefined
}) {
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const current = useRef({ change, schema })
  current.current = { change, schema }

  useEffect(() => {
    const root = host.current!.shadowRoot ?? host.current!.attachShadow({ mode: "open" })
    const source: CompletionSource = (context) => {
      const word = context.matchBefore(/[\w.-]*/)
      if (current.current.schema === undefined || word === null || (word.from === word.to && !context.explicit)) return null
      const options = complete(current.current.schema, context.state.sliceDoc(0, word.from))
      return {
        from: word.from,
        options: options.map(({ label, detail, isValue }) => ({
          label,
          info: detail,
          type: isValue ? "constant" : "property",
          apply: isValue ? label : `${label}: `,
        })),
      }
    }
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          indentOnInput(),
          highlightActiveLine(),
          yaml(),
          syntaxHighlighting(COLORS),
          autocompletion({ override: [source] }),
          lintGutter(),
          // Tab leaves the editor, as it leaves any other field.
          keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
          EditorView.contentAttributes.of({ "aria-label": label, "aria-description": KEYS, tabindex: "0" }),
          EditorState.readOnly.of(isReadOnly),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) current.current.change(update.state.doc.toString())
          }),
          THEME,
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
    // The text is the editor's own from here on.
  }, [label, isReadOnly])

  useEffect(() => {
    if (view.current === undefined) return
    const { state } = view.current
    view.current.dispatch(setDiagnostics(state, problems.map((problem) => diagnose(state, problem))))
  }, [problems, label])

  useEffect(() => {
    if (view.current === undefined || target === undefined) return
    const { from } = lineOf(view.current.state, target.line)
    view.current.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: "center" }) })
    view.current.focus()
  }, [target, label])

  return <div ref={host} className="editor" />
}

/** A line of the text, which may have fewer by now. */
const lineOf = ({ doc }: EditorState, line: number) => doc.line(Math.min(Math.max(line, 1), doc.lines))

function diagnose(state: EditorState, { line, message, suggestion }: DocumentProblem): Diagnostic {
  const { from, to } = lineOf(state, line)
  return { from, to, severity: "error", message: suggestion === "" ? message : `${message} ${suggestion}` }
}
