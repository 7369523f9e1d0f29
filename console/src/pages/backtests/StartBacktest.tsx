import { Link } from "@tanstack/react-router"
import { actingHeaders, http, type Schemas } from "../../api/client"
import { Action } from "../../ui/Action"
import { documentOf, type Files } from "../documents/files"

type Request = Schemas["BacktestRequest"]
type Document = Schemas["BacktestDocument"]

const TEMPLATE = /\.(liquid|mjml|txt|html)$/
const PERCENT = 100

/** Start a backtest of the text in an editor, of given documents, or of files. */
export function StartBacktest({
  label,
  files,
  again,
}: {
  label: string
  files?: Files
  again?: Schemas["ReportedBacktest"]
}) {
  const isOfFiles = files === undefined && again === undefined
  return (
    <Action
      label={label}
      title={label}
      needs="admin"
      effect={
        <p>
          A worker simulates the campaigns over the events of the last days, at low priority. Nothing is sent, and nothing
          changes. The report is kept for 30 days.
        </p>
      }
      fields={
        <>
          {isOfFiles && (
            <label className="field">
              Files in place of what runs: campaigns with their templates, caps, segments (none: what runs)
              <input type="file" name="files" multiple />
            </label>
          )}
          <label className="field">
            Period until now, such as 30d
            <input name="last" required maxLength={40} defaultValue={again?.last ?? "30d"} autoComplete="off" />
          </label>
          <label className="field">
            Share of people, in percent
            <input
              name="sample"
              type="number"
              min="0.01"
              max="100"
              step="any"
              required
              defaultValue={(again?.sample ?? 1) * PERCENT}
            />
          </label>
          <label className="field">
            Other campaigns
            <select name="others" defaultValue={again?.others ?? "simulate"}>
              <option value="simulate">are simulated</option>
              <option value="ledger">count by the messages that really went</option>
            </select>
          </label>
          {again === undefined && (
            <label>
              <input type="checkbox" name="against" defaultChecked={!isOfFiles} /> Compare with what runs
            </label>
          )}
          <label className="field">
            Only members of the segment
            <input name="segment" maxLength={255} defaultValue={again?.segment ?? ""} autoComplete="off" />
          </label>
          <label className="field">
            Only these people, with their traces (user ids, one a line)
            <textarea name="users" rows={2} className="mono" required={again !== undefined} />
          </label>
        </>
      }
      answered={(started: Schemas["BacktestItem"]) => (
        <p>
          It waits for its turn:{" "}
          <Link to="/backtests/$id" params={{ id: started.id }}>
            follow it
          </Link>
          .
        </p>
      )}
      run={async (act, form) => {
        const documents = again?.documents ?? (files === undefined ? await readFiles(form) : [documentOf(files)])
        return http.POST("/v1/backtests", { headers: actingHeaders(act), body: requestOf(form, documents, again) })
      }}
    />
  )
}

function requestOf(form: FormData, documents: Document[], again?: Schemas["ReportedBacktest"]): Request {
  const text = (name: string) => String(form.get(name) ?? "").trim()
  return {
    documents: documents.map(({ file, source, templates }) => ({ file, source, templates })),
    last: text("last"),
    sample: Number(text("sample")) / PERCENT,
    others: text("others") as Request["others"],
    segment: text("segment") || null,
    users: text("users")
      .split("\n")
      .map((user) => user.trim())
      .filter((user) => user !== ""),
    against: againstOf(again) ?? (form.get("against") === null ? null : "running"),
    // The API has the default of what is left out.
  } as Request
}

function againstOf(again?: Schemas["ReportedBacktest"]): Request["against"] {
  if (again === undefined || again.against === null) return null
  const others = again.against_documents.map(({ file, source, templates }) => ({ file, source, templates }))
  return others.length === 0 ? "running" : others
}

/** The documents among files; each has all templates, as in a folder. */
async function readFiles(form: FormData): Promise<Document[]> {
  const files = (form.getAll("files") as File[]).filter(({ name }) => name !== "")
  const texts = await Promise.all(files.map(async (file) => [file.name, await file.text()] as const))
  const templates = Object.fromEntries(texts.filter(([name]) => TEMPLATE.test(name)))
  return texts.filter(([name]) => !TEMPLATE.test(name)).map(([file, source]) => ({ file, source, templates }))
}
