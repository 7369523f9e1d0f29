/** The pages of the navigation, by group. `key` is the shortcut: g, then this letter. */
export const NAVIGATION = [
  {
    group: "Campaigns",
    pages: [
      { to: "/campaigns", label: "Campaigns", key: "c" },
      { to: "/journeys", label: "Journeys", key: "j" },
      { to: "/approvals", label: "Approvals", key: "w" },
      { to: "/backtests", label: "Backtests", key: "b" },
    ],
  },
  {
    group: "People",
    pages: [
      { to: "/people", label: "People", key: "p" },
      { to: "/segments", label: "Segments", key: "s" },
      { to: "/life-cycle", label: "Life cycle", key: "l" },
      { to: "/surveys", label: "Surveys", key: "u" },
    ],
  },
  {
    group: "Messages",
    pages: [
      { to: "/messages", label: "Messages", key: "t" },
      { to: "/non-sends", label: "Why people got nothing", key: "y" },
      { to: "/deliverability", label: "Deliverability", key: "d" },
      { to: "/frequency-caps", label: "Frequency caps", key: "f" },
    ],
  },
  {
    group: "Data",
    pages: [
      { to: "/live-events", label: "Live events", key: "v" },
      { to: "/sources", label: "Sources", key: "i" },
      { to: "/data-plan", label: "Data plan", key: "e" },
      { to: "/rejects", label: "Rejects", key: "r" },
      { to: "/documents", label: "Documents", key: "m" },
    ],
  },
  {
    group: "System",
    pages: [
      { to: "/operations", label: "Operations", key: "o" },
      { to: "/reconciliations", label: "Reconciliations", key: "n" },
      { to: "/keys", label: "Keys", key: "k" },
      { to: "/sessions", label: "Sessions", key: "x" },
      { to: "/audit-log", label: "Audit log", key: "a" },
    ],
  },
] as const
