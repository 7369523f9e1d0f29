import { sankey, sankeyLinkHorizontal } from "d3-sankey"
import type { Schemas } from "../../api/client"
import { formatNumber } from "../../format/number"
import { Sample } from "../../ui/Chart"
import { useWidth } from "../../ui/useWidth"
import { flowGraph } from "./flowGraph"

type ShownFlow = Pick<Schemas["LifecycleFlow"], "stages" | "moves">

const HEIGHT = 320
const MARGIN = 8

/** Moves between stages: from the stage at the left to the one at the right, as wide as people. */
export function Flow({ flow }: { flow: ShownFlow }) {
  const [figure, width] = useWidth<HTMLElement>()
  return (
    <figure ref={figure} className="stack">
      {width > 0 && <Drawing flow={flow} width={width} />}
      <figcaption className="row soft small">
        <span className="row">
          <Sample tone="accent" /> as designed
        </span>
        <span className="row">
          <Sample tone="warn" /> not in the design
        </span>
      </figcaption>
    </figure>
  )
}

function Drawing({ flow, width }: { flow: ShownFlow; width: number }) {
  const { nodes, links } = sankey<{ id: string; name: string }, { isDesigned: boolean }>()
    .nodeId(({ id }) => id)
    .nodeWidth(10)
    .nodePadding(18)
    .extent([
      [0, MARGIN],
      [width, HEIGHT - MARGIN],
    ])(flowGraph(flow))
  const path = sankeyLinkHorizontal()
  return (
    <svg className="chart" width={width} height={HEIGHT} role="img" aria-label="Moves between stages, as in the table below">
      {links.map((link, index) => (
        <path
          key={index}
          d={path(link as never) ?? ""}
          fill="none"
          stroke={link.isDesigned ? "var(--accent)" : "var(--warn)"}
          strokeOpacity="0.35"
          strokeWidth={Math.max(2, link.width ?? 0)}
        >
          <title>{`${formatNumber(link.value)} people${link.isDesigned ? "" : ", not in the design"}`}</title>
        </path>
      ))}
      {nodes.map(({ id, name, x0 = 0, x1 = 0, y0 = 0, y1 = 0, value }) => {
        const isLeft = x0 < width / 2
        return (
          <g key={id}>
            <rect x={x0} y={y0} width={x1 - x0} height={Math.max(2, y1 - y0)} fill="var(--text-soft)" />
            <text
              className="flow-label"
              x={isLeft ? x1 + 6 : x0 - 6}
              y={(y0 + y1) / 2}
              dy="0.35em"
              textAnchor={isLeft ? "start" : "end"}
            >
              {name} · {formatNumber(value ?? 0)}
            </text>
          </g>
        )
      })}
    </svg>
  )
}
