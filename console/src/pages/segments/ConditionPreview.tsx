import { getRouteApi, useNavigate } from "@tanstack/react-router"
import { type FormEvent } from "react"
import { api } from "../../api/client"
import { Masked } from "../../ui/Data"
import { PersonLink } from "../../ui/links"
import { Loaded } from "../../ui/Loaded"
import { Section } from "../../ui/Page"

const route = getRouteApi("/segments")

/** How many people a condition would have, by a sample; the condition is in the address. */
export function ConditionPreview() {
  const { where } = route.useSearch()
  const navigate = useNavigate()
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const given = String(new FormData(event.currentTarget).get("where")).trim()
    void navigate({ to: ".", search: { where: given || undefined } })
  }
  return (
    <Section title="Preview a condition">
      <form className="stack" onSubmit={submit}>
        <label className="field">
          Condition in CEL
          <textarea
            key={where}
            name="where"
            rows={2}
            className="mono"
            spellCheck={false}
            defaultValue={where}
            placeholder='profile.traits.plan == "pro"'
          />
        </label>
        <div>
          <button type="submit">Preview</button>
        </div>
      </form>
      {where !== undefined && <Preview where={where} />}
    </Section>
  )
}

function Preview({ where }: { where: string }) {
  const preview = api.useQuery("post", "/v1/segments/preview", { body: { where } }, { staleTime: 30_000 })
  return (
    <Loaded query={preview}>
      {({ summary, examples, warnings, not_evaluated }) => (
        <div className="card stack">
          <strong>{summary}</strong>
          {not_evaluated > 0 && <p className="soft">{not_evaluated} lack something that the condition reads.</p>}
          {warnings.map((warning) => (
            <p key={warning}>{warning}</p>
          ))}
          <div className="row">
            {examples?.map((person) => <PersonLink key={person.id} person={person} />) ?? (
              <span>
                Who they are is <Masked />.
              </span>
            )}
          </div>
        </div>
      )}
    </Loaded>
  )
}
