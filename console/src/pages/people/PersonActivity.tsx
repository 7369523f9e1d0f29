import type { Schemas } from "../../api/client"
import { Badge } from "../../ui/Badge"
import { Pairs } from "../../ui/Data"
import { Section } from "../../ui/Page"
import { Table } from "../../ui/Table"
import { Time } from "../../ui/Time"

/** Values that the profile has learned by itself, and the devices. */
export function PersonActivity({ user }: { user: Schemas["User"] }) {
  const { activity } = user
  return (
    <>
      <Section title="Devices">
        <Table
          caption="Devices"
          rows={activity.devices}
          rowKey={({ id }, index) => id ?? index}
          empty="No device was seen."
          columns={[
            { label: "Device", cell: (device) => device.model ?? device.platform ?? device.id },
            { label: "System", cell: ({ os, os_version }) => [os, os_version].filter(Boolean).join(" ") },
            { label: "App", cell: ({ app, app_version }) => [app, app_version].filter(Boolean).join(" ") },
            { label: "Zone", cell: ({ timezone }) => timezone },
            { label: "Seen", cell: ({ last_seen }) => <Time at={last_seen} /> },
          ]}
        />
      </Section>
      <Section title="Push addresses">
        <Table
          caption="Push addresses"
          rows={user.push_addresses}
          rowKey={(_, index) => index}
          empty="No device takes pushes."
          columns={[
            { label: "Kind", cell: ({ kind }) => kind },
            { label: "App", cell: ({ app }) => app },
            {
              label: "State",
              cell: ({ is_reached, removed_reason }) => (
                <Badge tone={is_reached ? "good" : "plain"}>{is_reached ? "reached" : (removed_reason ?? "idle")}</Badge>
              ),
            },
            { label: "Registered", cell: ({ seen_at }) => <Time at={seen_at} /> },
          ]}
        />
      </Section>
      <Used title="Pages" of={activity.pages} />
      <Used title="Events" of={activity.features} />
      <Section title="Came by">
        <div className="card">
          <Pairs
            of={[
              ["first", activity.first_campaign ?? activity.first_referrer],
              ["last", activity.last_campaign ?? activity.last_referrer],
              ["country", activity.country],
              ["region", activity.region],
            ]}
            isMasked={user.masked === true}
          />
        </div>
      </Section>
    </>
  )
}

function Used({ title, of }: { title: string; of: Schemas["UsedName"][] | null }) {
  return (
    <Section title={title}>
      <Table
        caption={title}
        rows={of}
        rowKey={({ name }) => name}
        empty="None among the last 1,000 events."
        columns={[
          { label: "Name", cell: ({ name }) => name },
          { label: "Times", isNumber: true, cell: ({ count }) => count },
          { label: "Last", cell: ({ last_at }) => <Time at={last_at} /> },
        ]}
      />
    </Section>
  )
}
