import type { ReactNode } from "react"
import { Masked } from "./Data"
import { Empty } from "./Loaded"

export interface Column<Row> {
  label: string
  isNumber?: boolean
  cell: (row: Row) => ReactNode
}

/** A table whose first column names the row. `empty` stands in its place without rows; null is what is masked. */
export function Table<Row>({
  caption,
  columns,
  rows,
  rowKey,
  empty,
}: {
  caption: string
  columns: Column<Row>[]
  rows: Row[] | null
  rowKey: (row: Row, index: number) => string | number
  empty: ReactNode
}) {
  if (rows === null) {
    return (
      <Empty>
        <span>
          <Masked />: this needs the scope <code>people</code>.
        </span>
      </Empty>
    )
  }
  if (rows.length === 0) return <Empty>{empty}</Empty>
  return (
    // It scrolls where it is too wide, also by the keyboard.
    <div className="scroll" role="group" aria-label={caption} tabIndex={0}>
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ label, isNumber }) => (
              <th key={label} scope="col" className={isNumber ? "number" : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={rowKey(row, index)}>
              {columns.map(({ label, isNumber, cell }, place) =>
                place === 0 ? (
                  <th key={label} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={label} className={isNumber ? "number" : undefined}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
