import { getRouteApi, Link } from "@tanstack/react-router"
import { actingHeaders, api, http, type Schemas } from "../../api/client"
import { Action } from "../../ui/Action"
import { Empty, Loaded } from "../../ui/Loaded"
import { Figures, Page, Section } from "../../ui/Page"
import { Time } from "../../ui/Time"
import { BacktestDifference } from "./BacktestDifference"
import { BacktestReport } from "./BacktestReport"
import { BacktestState, nameOf, progressOf } from "./BacktestState"
import { StartBacktest } from "./StartBacktest"
import { Trace } from "./Trace"

const OPEN = new Set(["pending", "running"])

export function BacktestPage() {
  const { id } = getRouteApi("/backtests/$id").useParams()
  const backtest = api.useQuery(
    "get",
    "/v1/backtests/{id}",
    { params: { path: { id } } },
    { refetchInterval: ({ state: { data } }) => (data !== undefined && !OPEN.has(data.state) ? false : 2_000) },
  )
  return (
    <Loaded query={backtest} title="Backtest">
      {(found) => (
        <Page
          title="Backtest"
          crumb={<Link to="/backtests">Backtests</Link>}
          aside={<BacktestState backtest={found} />}
          actions={OPEN.has(found.state) ? <Cancel id={id} /> : <StartBacktest label="Trace a person" again={found} />}
        >
          <p>{nameOf(found)}</p>
          <Figures
            of={[
              ["People", progressOf(found) ?? "not begun"],
              ["From", <Time at={found.since} />],
              ["To", <Time at={found.until} />],
              ["Requested by", found.requested_by],
            ]}
          />
          <Found backtest={found} />
        </Page>
      )}
    </Loaded>
  )
}

function Found({ backtest: { state, report, traces } }: { backtest: Schemas["ReportedBacktest"] }) {
  if (report === null) return <Empty>{withoutReport(state)}</Empty>
  return (
    <>
      {report.difference && <BacktestDifference difference={report.difference} />}
      <BacktestReport report={report} />
      {traces.map(({ user_id, lines }) => (
        <Section key={user_id} title={`Trace of ${user_id}`}>
          <Trace lines={lines} />
        </Section>
      ))}
    </>
  )
}

function withoutReport(state: string): string {
  switch (state) {
    case "pending":
      return "It waits: backtests run one after the other. The report will be here."
    case "running":
      return "It runs. The report will be here."
    case "failed":
      return "It has failed, and has no report. The reason stands above; start another one with fewer people or days."
    default:
      return "It was cancelled, and has no report."
  }
}

function Cancel({ id }: { id: string }) {
  return (
    <Action
      label="Cancel"
      title="Cancel the backtest"
      needs="operate"
      isDangerous
      effect={<p>It ends within a second, without a report.</p>}
      run={(act) => http.POST("/v1/operations/{id}/cancel", { params: { path: { id } }, headers: actingHeaders(act) })}
    />
  )
}
