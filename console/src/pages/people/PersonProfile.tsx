import { Link } from "@tanstack/react-router"
import type { Schemas } from "../../api/client"
import { Data, Pairs } from "../../ui/Data"
import { Empty } from "../../ui/Loaded"
import { Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

type User = Schemas["User"]

export function PersonProfile({ user }: { user: User }) {
  const isMasked = user.masked === true
  return (
    <>
      <Section title="Traits">
        <Table
          caption="Traits"
          rows={Object.entries(user.traits ?? {})}
          rowKey={([name]) => name}
          empty="No trait was stated. `identify` calls state them."
          columns={[
            { label: "Trait", cell: ([name]) => name },
            { label: "Value", cell: ([, stated]) => <Data value={stated?.value} isMasked={isMasked} /> },
            { label: "From", cell: ([, stated]) => stated?.source },
            { label: "Stated", cell: ([, stated]) => <Time at={stated?.at} /> },
          ]}
        />
      </Section>
      <Section title="Computed">
        <Computed of={user.computed} isMasked={isMasked} />
      </Section>
      {user.rfm && (
        <Section title="As a buyer">
          <div className="card">
            <Pairs
              of={[
                ["segment", user.rfm.segment],
                ["recency, frequency, monetary", Object.values(user.rfm.scores)],
                ["orders", user.rfm.values?.orders],
                ["spent", user.rfm.values?.spent],
                ["days since the last order", user.rfm.values?.days],
              ]}
              isMasked={isMasked}
            />
          </div>
        </Section>
      )}
      <Section title="Identities">
        <div className="card">
          <Pairs of={user.identities.map(({ kind, value }) => [kind, value])} isMasked={isMasked} />
        </div>
      </Section>
      {user.accounts.length > 0 && (
        <Section title="Accounts">
          <ul className="card stack">
            {user.accounts.map(({ id, role, stated_at }) => (
              <li key={id}>
                {id} <span className="soft">{role ?? "member"}</span> <Time at={stated_at} />{" "}
                <Link to="/journeys" search={{ account: id }}>
                  journeys
                </Link>
              </li>
            ))}
          </ul>
        </Section>
      )}
    </>
  )
}

function Computed({ of: { values, building }, isMasked }: { of: User["computed"]; isMasked: boolean }) {
  const shown = Object.entries(values ?? {})
  if (shown.length === 0 && building.length === 0) return <Empty>The deployment computes no trait.</Empty>
  return (
    <div className="card">
      <Pairs of={shown} isMasked={isMasked} />
      {building.length > 0 && <p className="soft">Being counted: {building.join(", ")}</p>}
    </div>
  )
}
