import type { ReactNode } from "react"
import { Cut } from "./Cut"
import { Masked } from "./Data"
import { Empty } from "./Loaded"
import { Nothing } from "./Nothing"
import { Prose } from "./Prose"

export interface Column<Row> {
  label: string
  isNumber?: boolean
  cell: (row: Row) => ReactNode
}

// More do not fit a telephone beside each other: there each row is a card.
const MOST_NARROW_COLUMNS = 3

function showCell(cell: ReactNode): ReactNode {
  const isEmpty = cell == null || cell === false || cell === "" || (Array.isArray(cell) && cell.length === 0)
  if (isEmpty) return <Nothing />
  return typeof cell === "string" ? <Cut text={cell} /> : cell
}

/**
 * A table whose first column names the row. A cell without a value shows so. `empty` stands in place of no rows; null rows
 * are masked.
 */
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
  if (rows.length === 0) return <Empty>{typeof empty === "string" ? <Prose text={empty} /> : empty}</Empty>
  return (
    // It scrolls where it is too wide, also by the keyboard.
    <div className={columns.length > MOST_NARROW_COLUMNS ? "scroll wide" : "scroll"} role="group" aria-label={caption} tabIndex={0}>
      {/* The roles stay where the styles make cards of the rows. */}
      <table role="table">
        <caption>{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ label, isNumber }) => (
              <th key={label} role="columnheader" scope="col" className={isNumber ? "number" : undefined}>
                {label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row, index) => (
            <tr key={rowKey(row, index)} role="row">
              {columns.map(({ label, isNumber, cell }, place) =>
                place === 0 ? (
                  <th key={label} role="rowheader" scope="row">
                    {showCell(cell(row))}
                  </th>
                ) : (
                  <td key={label} role="cell" data-label={label} className={isNumber ? "number" : undefined}>
                    {showCell(cell(row))}
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
