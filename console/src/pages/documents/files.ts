/** The texts of an editor by file; the first is the document, the others are its templates. */
export type Files = Record<string, string>

/** Files as the API takes them. */
export function documentOf(files: Files) {
  const [[file, source] = ["", ""], ...templates] = Object.entries(files)
  return { file, source, templates: Object.fromEntries(templates) }
}

export function isSame(files: Files, others: Files): boolean {
  const names = Object.keys(files)
  return names.length === Object.keys(others).length && names.every((file) => files[file] === others[file])
}
