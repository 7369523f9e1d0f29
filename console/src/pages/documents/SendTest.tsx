import { actingHeaders, http, type Schemas } from "../../api/client"
import { Action } from "../../ui/Action"
import { Badge } from "../../ui/Badge"
import { toneOf } from "../../ui/states"
import { documentOf, type Files } from "./files"

/** Send a message of the document in the editor to one address. */
export function SendTest({ files, steps }: { files: Files; steps: string[] }) {
  return (
    <Action
      label="Send a test"
      title="Send a test"
      needs="operate"
      effect={
        <p>
          The message of a step, as the editor has it now, goes to this address at once and is marked as a test. No journey
          begins, and no cap counts it. Without a user its values are invented.
        </p>
      }
      fields={
        <>
          <label className="field">
            Step
            <input name="step" required list="sending-steps" autoComplete="off" />
          </label>
          <datalist id="sending-steps">
            {steps.map((step) => (
              <option key={step} value={step} />
            ))}
          </datalist>
          <label className="field">
            To the address
            <input name="to" required maxLength={255} />
          </label>
          <label className="field">
            With the values of the user (needs the scope people)
            <input name="user" maxLength={255} autoComplete="off" />
          </label>
        </>
      }
      answered={(sent: Schemas["SentTest"]) => <SentTest sent={sent} />}
      run={(act, form) =>
        http.POST("/v1/templates/send-test", {
          headers: actingHeaders(act),
          body: {
            document: documentOf(files),
            step: String(form.get("step")).trim(),
            to: String(form.get("to")).trim(),
            user_id: String(form.get("user")).trim() || null,
          },
        })
      }
    />
  )
}

function SentTest({ sent: { outcome, provider, detail, preview } }: { sent: Schemas["SentTest"] }) {
  return (
    <>
      <p>
        <Badge tone={outcome === "accepted" ? "good" : toneOf("failed")}>{outcome}</Badge> by {provider}{" "}
        {detail !== null && <span className="soft">{detail}</span>}
      </p>
      {preview.warnings.map((warning) => (
        <p key={warning}>{warning}</p>
      ))}
    </>
  )
}
