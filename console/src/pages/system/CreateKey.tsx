import { useState } from "react"
import { actingHeaders, http, type Schemas } from "../../api/client"
import { Action } from "../../ui/Action"

type Kind = Schemas["KeyKind"]
type Scope = Schemas["Scope"]

/** The scopes of a server's key, with what each opens. */
const SCOPES: Partial<Record<Scope, string>> = {
  ingest: "report events and people",
  send: "ask for single messages",
  stream: "read the stream of what happens",
  read: "read, without personal fields",
  author: "change documents",
  operate: "change documents, and what runs",
  people: "see personal fields",
  approve: "approve what others start",
  admin: "everything, and keys",
}
const KINDS: Record<Kind, string> = { server: "of a server, or of a person", browser: "of web pages, readable by anyone" }

const lines = (text: FormDataEntryValue | null) => String(text ?? "").split(/\s+/).filter((line) => line !== "")

export function CreateKey() {
  const [kind, setKind] = useState<Kind>("server")
  return (
    <Action
      label="New key"
      title="New key"
      needs="admin"
      effect={<p>The key opens what its scopes say, until it is revoked. Its text is shown once.</p>}
      fields={
        <>
          <label className="field">
            Name
            <input name="name" required maxLength={255} autoComplete="off" />
          </label>
          <label className="field">
            Kind
            <select name="kind" value={kind} onChange={(event) => setKind(event.target.value as Kind)}>
              {Object.entries(KINDS).map(([each, text]) => (
                <option key={each} value={each}>
                  {text}
                </option>
              ))}
            </select>
          </label>
          {kind === "server" ? <Scopes /> : <Origins />}
          <label className="field">
            Expires
            <input name="expires" type="date" />
          </label>
        </>
      }
      answered={(key: Schemas["NewKey"]) => <NewKey made={key} />}
      run={(act, form) => http.POST("/v1/keys", { headers: actingHeaders(act), body: requestOf(form, kind) })}
    />
  )
}

function requestOf(form: FormData, kind: Kind): Schemas["KeyRequest"] {
  const expires = String(form.get("expires") ?? "")
  const bounds =
    kind === "server" ? { scopes: form.getAll("scope") as Scope[] } : { origins: lines(form.get("origins")) }
  return {
    name: String(form.get("name")),
    kind,
    expires_at: expires === "" ? null : new Date(expires).toISOString(),
    ...bounds,
    // The API has the default of what is left out.
  } as Schemas["KeyRequest"]
}

function Scopes() {
  return (
    <fieldset className="stack">
      <legend>Scopes</legend>
      {Object.entries(SCOPES).map(([scope, opens]) => (
        <label key={scope}>
          <input type="checkbox" name="scope" value={scope} defaultChecked={scope === "read"} /> {scope}{" "}
          <span className="soft">{opens}</span>
        </label>
      ))}
    </fieldset>
  )
}

function Origins() {
  return (
    <label className="field">
      Origins of the pages
      <textarea name="origins" rows={2} className="mono" placeholder="https://shop.example" required />
    </label>
  )
}

function NewKey({ made }: { made: Schemas["NewKey"] }) {
  // The API keeps no text of a key, and so does not repeat a lost answer in full.
  if (made.token === null) {
    return <p>The key was made, and its text was lost with the first answer. Revoke {made.name}, and make another one.</p>
  }
  return (
    <>
      <p>Keep it now: it is not shown again.</p>
      <Secret label={`Key ${made.name}`} text={made.token} />
      {made.token_secret !== null && <Secret label="Secret that signs user tokens" text={made.token_secret} />}
    </>
  )
}

function Secret({ label, text }: { label: string; text: string }) {
  return (
    <label className="field">
      {label}
      <input className="mono" readOnly value={text} onFocus={(event) => event.target.select()} />
    </label>
  )
}
