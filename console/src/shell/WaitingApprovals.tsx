import { api } from "../api/client"
import { formatCount } from "../format/number"

const MOST = 20

/** How many changes wait for another person, beside their page in the navigation. */
export function WaitingApprovals() {
  const { data } = api.useQuery(
    "get",
    "/v1/approvals",
    { params: { query: { state: "waiting", limit: MOST } } },
    { refetchInterval: 15_000 },
  )
  const count = data?.approvals.length ?? 0
  if (count === 0) return null
  return (
    <span className="badge warn" title={`${formatCount(count, "change")} waiting for another person`}>
      {count}
      {data?.next != null && "+"} <span className="unseen">waiting</span>
    </span>
  )
}
