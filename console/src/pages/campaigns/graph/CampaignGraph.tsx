import { getRouteApi, Link, useNavigate } from "@tanstack/react-router"
import { api, type Schemas } from "../../../api/client"
import { formatNumber } from "../../../format/number"
import { words } from "../../../format/words"
import { Badge } from "../../../ui/Badge"
import { Filters } from "../../../ui/Filters"
import { Empty, Loaded } from "../../../ui/Loaded"
import { Figures, Section } from "../../../ui/Page"
import { Table } from "../../../ui/Table"
import { Diagram } from "./Diagram"
import { graphFromFunnel } from "./fromFunnel"
import { type GraphNode, total } from "./model"

const route = getRouteApi("/campaigns/$key")

export function CampaignGraphTab({ campaign }: { campaign: Schemas["Campaign"] }) {
  const search = route.useSearch()
  const navigate = useNavigate()
  const funnel = api.useQuery(
    "get",
    "/v1/campaigns/{key}/funnel",
    { params: { path: { key: campaign.key } } },
    { refetchInterval: 2_000 },
  )
  const select = (step: string) => void navigate({ to: ".", search: { ...search, step }, replace: true })
  return (
    <Loaded query={funnel}>
      {({ versions, not_let_in }) => {
        const version =
          versions.find(({ version }) => String(version) === search.version) ??
          versions.find(({ version }) => version === campaign.running_version) ??
          versions.at(-1)
        if (version === undefined) return <Empty>No version has been entered yet.</Empty>
        const graph = graphFromFunnel(version)
        const selected = graph.nodes.find(({ id }) => id === search.step)
        return (
          <>
            <div className="head">
              <Figures
                of={[
                  ["Entered", formatNumber(version.entered)],
                  ["In flight", formatNumber(version.active)],
                  ["Goals", formatNumber(version.goals)],
                  ["Not let in", formatNumber(total(not_let_in))],
                ]}
              />
              <Filters
                search={search}
                filters={[
                  {
                    name: "version",
                    label: "Version",
                    none: "in force",
                    options: versions.map(({ version }) => String(version)),
                  },
                ]}
              />
            </div>
            <Diagram graph={graph} selected={search.step} select={select} />
            {selected && <StepDetails campaign={campaign.key} step={selected} />}
            <Reasons title="Events that started no journey" reasons={not_let_in} />
            <Steps campaign={campaign.key} nodes={graph.nodes} />
          </>
        )
      }}
    </Loaded>
  )
}

/** A step that was chosen: why it sent nothing, each reason with its number. */
function StepDetails({ campaign, step }: { campaign: string; step: GraphNode }) {
  return (
    <Section
      title={step.label}
      aside={
        <Link to="/journeys" search={{ campaign, step: step.id }}>
          Journeys here
        </Link>
      }
    >
      <div className="card stack">
        <Figures
          of={[
            ["Came", formatNumber(step.came)],
            ["Here now", formatNumber(step.here)],
            ["Sent", formatNumber(step.sent)],
            ["Failed", formatNumber(step.failed)],
          ]}
        />
        <Reasons title="Not sent" reasons={step.refused} />
        <Reasons title="Put off" reasons={step.deferred} />
      </div>
    </Section>
  )
}

function Reasons({ title, reasons }: { title: string; reasons: Record<string, number> }) {
  const rows = Object.entries(reasons).sort(([, one], [, other]) => other - one)
  if (rows.length === 0) return null
  return (
    <Section title={title}>
      <Table
        caption={title}
        rows={rows}
        rowKey={([reason]) => reason}
        empty=""
        columns={[
          { label: "Reason", cell: ([reason]) => <Badge tone="warn">{words(reason)}</Badge> },
          { label: "Times", isNumber: true, cell: ([, times]) => formatNumber(times) },
        ]}
      />
    </Section>
  )
}

function Steps({ campaign, nodes }: { campaign: string; nodes: GraphNode[] }) {
  return (
    <Section title="Steps">
      <Table
        caption="Steps"
        rows={nodes}
        rowKey={({ id }) => id}
        empty=""
        columns={[
          {
            label: "Step",
            cell: ({ id, label }) => (
              <Link to="." search={(before: object) => ({ ...before, step: id })}>
                {label}
              </Link>
            ),
          },
          { label: "Kind", cell: ({ kind }) => words(kind) },
          { label: "Came", isNumber: true, cell: ({ came }) => formatNumber(came) },
          {
            label: "Here",
            isNumber: true,
            cell: ({ id, here }) => (
              <Link to="/journeys" search={{ campaign, step: id, state: "active" }}>
                {formatNumber(here)}
              </Link>
            ),
          },
          { label: "Sent", isNumber: true, cell: ({ sent }) => formatNumber(sent) },
          { label: "Not sent", isNumber: true, cell: ({ refused }) => formatNumber(total(refused)) },
          { label: "Put off", isNumber: true, cell: ({ deferred }) => formatNumber(total(deferred)) },
          { label: "Failed", isNumber: true, cell: ({ failed }) => formatNumber(failed) },
        ]}
      />
    </Section>
  )
}
