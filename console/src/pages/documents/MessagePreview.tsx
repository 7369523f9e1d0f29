import { keepPreviousData, useQuery } from "@tanstack/react-query"
import { type FormEvent, useRef, useState } from "react"
import { http, type Schemas } from "../../api/client"
import { problemOf } from "../../api/problem"
import { Badge } from "../../ui/Badge"
import { Data } from "../../ui/Data"
import { Empty, Skeleton } from "../../ui/Loaded"
import { Prose } from "../../ui/Prose"
import { Refusal } from "../../ui/Refusal"
import { documentOf, type Files } from "./files"
import { useSettled } from "./useTypedGraph"

type Preview = Schemas["MessagePreview"]

/** The message of a step of the files as they are typed, as a person would get it. */
export function MessagePreview({ files, steps }: { files: Files; steps: string[] }) {
  const [chosen, choose] = useState("")
  const [user, setUser] = useState("")
  const settled = useSettled(files)
  const step = steps.includes(chosen) ? chosen : steps[0]
  const { data: answer, isFetching } = useQuery({
    queryKey: ["typed preview", settled, step, user],
    queryFn: () =>
      http.POST("/v1/templates/preview", {
        body: { document: documentOf(settled), step: step ?? "", user_id: user || null },
      }),
    enabled: step !== undefined,
    placeholderData: keepPreviousData,
    gcTime: 0,
    refetchOnWindowFocus: false,
  })
  if (step === undefined) {
    return (
      <Empty>
        <span>
          No step sends a message yet. One is <code>{"- {id: hello, send: {channel: email, template: welcome}}"}</code>.
        </span>
      </Empty>
    )
  }
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    setUser(String(new FormData(event.currentTarget).get("user")).trim())
  }
  return (
    <>
      <form className="row preview-of" onSubmit={submit}>
        <label className="field">
          Step
          <select value={step} onChange={(event) => choose(event.target.value)}>
            {steps.map((each) => (
              <option key={each}>{each}</option>
            ))}
          </select>
        </label>
        <label className="field">
          As the user (scope people)
          <input name="user" type="search" maxLength={255} autoComplete="off" placeholder="invented" />
        </label>
        <button type="submit">Show</button>
      </form>
      {answer === undefined ? (
        <Skeleton />
      ) : answer.data === undefined ? (
        <Unpreviewed error={answer.error} />
      ) : (
        <Message preview={answer.data} isOld={isFetching} />
      )}
    </>
  )
}

/** The problems of the files stand below the editor. */
function Unpreviewed({ error }: { error: unknown }) {
  if (problemOf(error).problems === undefined) return <Refusal error={error} />
  return <p className="soft">No preview: mend the problems below the editor first.</p>
}

function Message({ preview, isOld }: { preview: Preview; isOld: boolean }) {
  const { content, page, channel, language, is_invented, problems, missing, warnings } = preview
  const { html, text, ...headers } = content ?? {}
  const shown = page ?? (typeof html === "string" ? html : null)
  return (
    <article className="stack" aria-label="Message" aria-busy={isOld}>
      <p className="row">
        <Badge>{channel}</Badge>
        {language !== null && <Badge>{language}</Badge>}
        <span className="soft small">{is_invented ? "with invented values" : "with the values of the person"}</span>
      </p>
      {problems.map(({ file, line, message, suggestion }, index) => (
        <p key={index} className="notice bad">
          <span>
            <code>
              {file}:{line}
            </code>{" "}
            <Prose text={message} /> <span className="soft"><Prose text={suggestion} /></span>
          </span>
        </p>
      ))}
      {missing.map(({ variable, file, line, printed }, index) => (
        <p key={index} className="notice warn">
          <span>
            <code>{variable}</code> is missing at{" "}
            <code>
              {file}:{line}
            </code>
            {printed !== null && (
              <>
                , and prints <q>{printed}</q>
              </>
            )}
          </span>
        </p>
      ))}
      {warnings.map((warning) => (
        <p key={warning} className="notice warn">
          <Prose text={warning} />
        </p>
      ))}
      {Object.keys(headers).length > 0 && <Data value={headers} />}
      {shown !== null && <MessageFrame key={shown} html={shown} />}
      {typeof text === "string" && (
        <details>
          <summary>As plain text</summary>
          <pre>{text}</pre>
        </details>
      )}
    </article>
  )
}

/** HTML in a frame with a policy of its own: it runs no script, and reads nothing of the console. */
function MessageFrame({ html }: { html: string }) {
  const frame = useRef<HTMLIFrameElement>(null)
  return (
    <iframe
      ref={frame}
      title="Message"
      className="message"
      src={`${import.meta.env.BASE_URL}message`}
      sandbox="allow-scripts"
      // The frame has an origin of its own, which no address names.
      onLoad={() => frame.current?.contentWindow?.postMessage(html, "*")}
    />
  )
}
