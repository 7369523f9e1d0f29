import type { Schemas } from "../../api/client"
import { Section } from "../../ui/Page"
import { Prose } from "../../ui/Prose"
import { asSentence } from "../../ui/Refusal"

export function Warnings({ warnings }: { warnings: Schemas["PublishWarning"][] }) {
  if (warnings.length === 0) return null
  return (
    <Section title="Worth a second look">
      <ul className="stack">
        {warnings.map(({ file, line, message, suggestion }, index) => (
          <li key={index} className="notice warn">
            <span>
              <code>
                {file}:{line}
              </code>{" "}
              <Prose text={asSentence(message)} />.{" "}
              <span className="soft">
                <Prose text={suggestion} />
              </span>
            </span>
          </li>
        ))}
      </ul>
    </Section>
  )
}
