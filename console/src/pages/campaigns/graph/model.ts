/** What a campaign is drawn from: nodes with the counts that stand on them, edges with the people who went along them. */
export interface GraphNode {
  id: string
  kind: string
  label: string
  came: number
  here: number
  sent: number
  failed: number
  refused: Record<string, number>
  deferred: Record<string, number>
  oldest_waiting_since: string | null
}

export interface GraphEdge {
  from: string
  to: string
  label: string | null
  people: number | null
}

export interface CampaignGraph {
  nodes: GraphNode[]
  edges: GraphEdge[]
}

export const total = (counts: Record<string, number>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)
