import { createRootRoute, createRoute, createRouter, lazyRouteComponent, redirect } from "@tanstack/react-router"
import { parseSearch, search, stringifySearch } from "./search"
import { Shell } from "./shell/Shell"
import { Empty, Skeleton } from "./ui/Loaded"
import { Page } from "./ui/Page"
import { Refusal } from "./ui/Refusal"

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="No such page">
      <Empty>The console has no page at this address. Choose one from the navigation.</Empty>
    </Page>
  ),
})
const parent = { getParentRoute: () => root }

const home = createRoute({
  ...parent,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/campaigns" })
  },
})
const campaigns = createRoute({
  ...parent,
  path: "/campaigns",
  validateSearch: search("find", "state"),
  component: lazyRouteComponent(() => import("./pages/campaigns/CampaignsPage"), "CampaignsPage"),
})
const campaign = createRoute({
  ...parent,
  path: "/campaigns/$key",
  validateSearch: search("tab", "version", "compare", "step"),
  component: lazyRouteComponent(() => import("./pages/campaigns/CampaignPage"), "CampaignPage"),
})
const backtests = createRoute({
  ...parent,
  path: "/backtests",
  component: lazyRouteComponent(() => import("./pages/backtests/BacktestsPage"), "BacktestsPage"),
})
const backtest = createRoute({
  ...parent,
  path: "/backtests/$id",
  component: lazyRouteComponent(() => import("./pages/backtests/BacktestPage"), "BacktestPage"),
})
const journeys = createRoute({
  ...parent,
  path: "/journeys",
  validateSearch: search("campaign", "user", "account", "step", "state", "status", "outcome", "version", "entered_after", "entered_before"),
  component: lazyRouteComponent(() => import("./pages/journeys/JourneysPage"), "JourneysPage"),
})
const journey = createRoute({
  ...parent,
  path: "/journeys/$id",
  component: lazyRouteComponent(() => import("./pages/journeys/JourneyPage"), "JourneyPage"),
})
const approvals = createRoute({
  ...parent,
  path: "/approvals",
  validateSearch: search("campaign", "state"),
  component: lazyRouteComponent(() => import("./pages/approvals/ApprovalsPage"), "ApprovalsPage"),
})
const people = createRoute({
  ...parent,
  path: "/people",
  validateSearch: search("id", "address", "trait", "value", "stage", "segment"),
  component: lazyRouteComponent(() => import("./pages/people/PeoplePage"), "PeoplePage"),
})
const person = createRoute({
  ...parent,
  path: "/people/$id",
  validateSearch: search("kind", "tab"),
  component: lazyRouteComponent(() => import("./pages/people/PersonPage"), "PersonPage"),
})
const segments = createRoute({
  ...parent,
  path: "/segments",
  validateSearch: search("where"),
  component: lazyRouteComponent(() => import("./pages/segments/SegmentsPage"), "SegmentsPage"),
})
const segment = createRoute({
  ...parent,
  path: "/segments/$key",
  validateSearch: search("with", "tab"),
  component: lazyRouteComponent(() => import("./pages/segments/SegmentPage"), "SegmentPage"),
})
const lifeCycle = createRoute({
  ...parent,
  path: "/life-cycle",
  component: lazyRouteComponent(() => import("./pages/lifecycle/LifeCyclePage"), "LifeCyclePage"),
})
const surveys = createRoute({
  ...parent,
  path: "/surveys",
  component: lazyRouteComponent(() => import("./pages/surveys/SurveysPage"), "SurveysPage"),
})
const survey = createRoute({
  ...parent,
  path: "/surveys/$template",
  component: lazyRouteComponent(() => import("./pages/surveys/SurveyPage"), "SurveyPage"),
})
const messages = createRoute({
  ...parent,
  path: "/messages",
  validateSearch: search("by", "from", "to", "campaign", "step", "state", "channel", "provider"),
  component: lazyRouteComponent(() => import("./pages/messages/MessagesPage"), "MessagesPage"),
})
const nonSends = createRoute({
  ...parent,
  path: "/non-sends",
  validateSearch: search("by", "from", "to", "campaign", "step", "reason", "rule"),
  component: lazyRouteComponent(() => import("./pages/messages/NonSendsPage"), "NonSendsPage"),
})
const deliverability = createRoute({
  ...parent,
  path: "/deliverability",
  validateSearch: search("days"),
  component: lazyRouteComponent(() => import("./pages/messages/DeliverabilityPage"), "DeliverabilityPage"),
})
const frequencyCaps = createRoute({
  ...parent,
  path: "/frequency-caps",
  validateSearch: search("from", "to"),
  component: lazyRouteComponent(() => import("./pages/messages/FrequencyCapsPage"), "FrequencyCapsPage"),
})
const liveEvents = createRoute({
  ...parent,
  path: "/live-events",
  validateSearch: search("user", "event"),
  component: lazyRouteComponent(() => import("./pages/live/LiveEventsPage"), "LiveEventsPage"),
})
const sources = createRoute({
  ...parent,
  path: "/sources",
  component: lazyRouteComponent(() => import("./pages/data/SourcesPage"), "SourcesPage"),
})
const dataPlan = createRoute({
  ...parent,
  path: "/data-plan",
  validateSearch: search("source", "type", "name"),
  component: lazyRouteComponent(() => import("./pages/data/DataPlanPage"), "DataPlanPage"),
})
const rejects = createRoute({
  ...parent,
  path: "/rejects",
  validateSearch: search("source", "user_id", "outcome"),
  component: lazyRouteComponent(() => import("./pages/data/RejectsPage"), "RejectsPage"),
})
const documents = createRoute({
  ...parent,
  path: "/documents",
  component: lazyRouteComponent(() => import("./pages/documents/DocumentsPage"), "DocumentsPage"),
})
const newCampaign = createRoute({
  ...parent,
  path: "/documents/new",
  component: lazyRouteComponent(() => import("./pages/documents/NewCampaignPage"), "NewCampaignPage"),
})
const newSegment = createRoute({
  ...parent,
  path: "/documents/new-segment",
  component: lazyRouteComponent(() => import("./pages/documents/NewSegmentPage"), "NewSegmentPage"),
})
const document = createRoute({
  ...parent,
  path: "/documents/$name",
  component: lazyRouteComponent(() => import("./pages/documents/DeploymentDocumentPage"), "DeploymentDocumentPage"),
})
const operations = createRoute({
  ...parent,
  path: "/operations",
  validateSearch: search("id"),
  component: lazyRouteComponent(() => import("./pages/system/OperationsPage"), "OperationsPage"),
})
const reconciliations = createRoute({
  ...parent,
  path: "/reconciliations",
  component: lazyRouteComponent(() => import("./pages/system/ReconciliationsPage"), "ReconciliationsPage"),
})
const keys = createRoute({
  ...parent,
  path: "/keys",
  component: lazyRouteComponent(() => import("./pages/system/KeysPage"), "KeysPage"),
})
const sessions = createRoute({
  ...parent,
  path: "/sessions",
  component: lazyRouteComponent(() => import("./pages/system/SessionsPage"), "SessionsPage"),
})
const auditLog = createRoute({
  ...parent,
  path: "/audit-log",
  validateSearch: search("target", "actor"),
  component: lazyRouteComponent(() => import("./pages/system/AuditLogPage"), "AuditLogPage"),
})

export const router = createRouter({
  basepath: "/console",
  routeTree: root.addChildren([
    home,
    campaigns,
    campaign,
    backtests,
    backtest,
    journeys,
    journey,
    approvals,
    people,
    person,
    segments,
    segment,
    lifeCycle,
    surveys,
    survey,
    messages,
    nonSends,
    deliverability,
    frequencyCaps,
    liveEvents,
    sources,
    dataPlan,
    rejects,
    documents,
    newCampaign,
    newSegment,
    document,
    operations,
    reconciliations,
    keys,
    sessions,
    auditLog,
  ]),
  parseSearch,
  stringifySearch,
  defaultPreload: "intent",
  defaultPendingComponent: Skeleton,
  defaultErrorComponent: ({ error, reset }) => <Refusal error={error} retry={reset} />,
  scrollRestoration: true,
})

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router
  }
}
