/** The parts of JSON Schema that our documents use. */
export interface Schema {
  $ref?: string
  $defs?: Record<string, Schema>
  type?: string | string[]
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema | boolean
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  enum?: unknown[]
  const?: unknown
}

export interface Completion {
  label: string
  detail: string
  /** Whether it is a value, and not the name of a member. */
  isValue: boolean
}

const LINE = /^(\s*)((?:-\s+)*)(?:([\w.-]+):(?:\s|$))?/
const ITEM = "-"

/** Complete the end of a YAML text by the schema of the document. */
export function complete(schema: Schema, text: string): Completion[] {
  const lines = text.split("\n")
  const current = lines.pop() ?? ""
  const [, indent = "", dashes = "", key] = LINE.exec(current) ?? []
  const column = indent.length + dashes.length
  const path = [...pathAt(lines, indent.length, dashes !== ""), ...ITEM.repeat(dashes.split(ITEM).length - 1)]
  const here = reach(schema, schema, key === undefined ? path : [...path, key])
  if (key !== undefined) return here.flatMap((each) => valuesOf(each))
  const siblings = dashes === "" ? namesBeside(lines, column) : new Set<string>()
  return here
    .flatMap(({ properties = {} }) => Object.entries(properties))
    .filter(([name], place, all) => !siblings.has(name) && all.findIndex(([other]) => other === name) === place)
    .map(([name, { description = "" }]) => ({ label: name, detail: description, isValue: false }))
}

/** The names that lead to a column after these lines: members by their keys, items of lists by a dash. */
function pathAt(lines: string[], column: number, isItem: boolean): string[] {
  const path: string[] = []
  let least = column
  // A list may stand at the column of its own key.
  let isList = isItem
  for (const line of lines.toReversed()) {
    const [, indent = "", dashes = "", key] = LINE.exec(line) ?? []
    if (line.trim() === "" || line.trim().startsWith("#")) continue
    const inner = indent.length + dashes.length
    if (key !== undefined && (inner < least || (isList && inner === least && dashes === ""))) {
      path.unshift(key)
      least = inner
      isList = false
    }
    if (dashes !== "" && indent.length < least) {
      path.unshift(ITEM)
      least = indent.length
      isList = true
    }
  }
  return path
}

/** The members that the object at a column has already. */
function namesBeside(lines: string[], column: number): Set<string> {
  const names = new Set<string>()
  for (const line of lines.toReversed()) {
    if (line.trim() === "") continue
    const [, indent = "", dashes = "", key] = LINE.exec(line) ?? []
    const inner = indent.length + dashes.length
    if (inner < column) break
    if (inner === column && key !== undefined) names.add(key)
    if (inner === column && dashes !== "") break
  }
  return names
}

function reach(root: Schema, from: Schema, [name, ...rest]: string[]): Schema[] {
  const here = alternatives(root, from)
  if (name === undefined) return here
  return here.flatMap((each) => {
    const next = name === ITEM ? each.items : (each.properties?.[name] ?? each.additionalProperties)
    return typeof next === "object" ? reach(root, next, rest) : []
  })
}

function alternatives(root: Schema, schema: Schema): Schema[] {
  const { $ref, anyOf = [], oneOf = [], allOf = [] } = schema
  const referred = $ref === undefined ? undefined : root.$defs?.[$ref.slice("#/$defs/".length)]
  const others = [...(referred ? [referred] : []), ...anyOf, ...oneOf, ...allOf]
  return [schema, ...others.flatMap((each) => alternatives(root, each))]
}

function valuesOf({ enum: values = [], const: only, type, description = "" }: Schema): Completion[] {
  const all = [...values, ...(only === undefined ? [] : [only]), ...(type === "boolean" ? [true, false] : [])]
  return all.map((value) => ({ label: String(value), detail: description, isValue: true }))
}
