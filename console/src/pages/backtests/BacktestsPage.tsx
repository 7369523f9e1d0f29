import { Link } from "@tanstack/react-router"
import { api, PAGES, type Schemas } from "../../api/client"
import { formatShare } from "../../format/number"
import { Loaded } from "../../ui/Loaded"
import { More } from "../../ui/More"
import { Page } from "../../ui/Page"
import { type Column, Table } from "../../ui/Table"
import { Time } from "../../ui/Time"
import { BacktestState, nameOf, progressOf } from "./BacktestState"
import { StartBacktest } from "./StartBacktest"

const COLUMNS: Column<Schemas["BacktestItem"]>[] = [
  {
    label: "Backtest",
    cell: (one) => (
      <Link to="/backtests/$id" params={{ id: one.id }}>
        {nameOf(one)}
      </Link>
    ),
  },
  { label: "State", cell: (one) => <BacktestState backtest={one} /> },
  { label: "People", isNumber: true, cell: progressOf },
  { label: "Period", cell: ({ last }) => last },
  { label: "Share", isNumber: true, cell: ({ sample }) => formatShare(sample) },
  { label: "By", cell: ({ requested_by }) => requested_by },
  { label: "Requested", cell: ({ created_at }) => <Time at={created_at} /> },
]

export function BacktestsPage() {
  const backtests = api.useInfiniteQuery(
    "get",
    "/v1/backtests",
    { params: { query: { limit: 50 } } },
    { ...PAGES, refetchInterval: 3_000 },
  )
  return (
    <Page title="Backtests" actions={<StartBacktest label="New backtest" />}>
      <Loaded query={backtests}>
        {({ pages }) => (
          <Table
            caption="Backtests"
            columns={COLUMNS}
            rows={pages.flatMap(({ backtests }) => backtests)}
            rowKey={({ id }) => id}
            empty="No backtest yet. A backtest says who would have got which message over the last days, and who not and why: start one here, or from a campaign's document."
          />
        )}
      </Loaded>
      <More pages={backtests} />
    </Page>
  )
}
