interface Flow {
  stages: { key: string; name: string }[]
  moves: { before: string; after: string; people: number; is_designed: boolean }[]
}

/**
 * The moves as a graph without cycles, which a Sankey needs: a stage that is left and a stage that is reached are two
 * nodes, since people go back as well.
 */
export function flowGraph({ stages, moves }: Flow) {
  const names = new Map(stages.map(({ key, name }) => [key, name]))
  const sides = { before: new Set(moves.map(({ before }) => before)), after: new Set(moves.map(({ after }) => after)) }
  const nodes = (["before", "after"] as const).flatMap((side) =>
    [...sides[side]].map((key) => ({ id: `${side} ${key}`, name: names.get(key) ?? key })),
  )
  const links = moves.map(({ before, after, people, is_designed }) => ({
    source: `before ${before}`,
    target: `after ${after}`,
    value: people,
    isDesigned: is_designed,
  }))
  return { nodes, links }
}
