"""The flow of a life cycle as a Sankey diagram in SVG."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from domain.people.stage_flow import format_share, format_stay

WIDTH: Final = 1080
_LEFT, _RIGHT, _NODE = 210, 856, 14
_TOP, _BOTTOM = 92, 64
# The height of all moves together, and the space between stages.
_HEIGHT, _GAP, _LEAST = 520, 34, 3.0
_LABEL_FROM: Final = 13.0
# Okabe and Ito's colours, which most people can tell apart.
_COLOURS: Final = ("#0072b2", "#009e73", "#e69f00", "#cc79a7", "#56b4e9", "#d55e00", "#8c6d1f", "#6a51a3")
_FONT: Final = "font-family='system-ui, -apple-system, Segoe UI, Roboto, sans-serif'"


def draw_flow(flow: Mapping[str, Any]) -> str:
    """Return the flow as SVG: stages left and right, and a ribbon for each move.

    Ribbons that are not designed are hatched. `flow` is the API's answer.
    """
    moves: Sequence[Mapping[str, Any]] = flow["moves"]
    stages = _stages(flow)
    colours = {key: _COLOURS[number % len(_COLOURS)] for number, key in enumerate(stages)}
    total = sum(move["moves"] for move in moves)
    scale = _HEIGHT / total if total else 0.0
    left, left_end = _place(stages, moves, "before", scale)
    right, right_end = _place(stages, moves, "after", scale)
    height = round(max(left_end, right_end, _TOP + 80) + _BOTTOM)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' width='{WIDTH}' height='{height}' "
        f"{_FONT} font-size='13' role='img' aria-label={quoteattr(_title(flow, total))}>",
        "<defs>",
        *(_hatch(number, colours[key]) for number, key in enumerate(stages)),
        "</defs>",
        f"<rect width='{WIDTH}' height='{height}' fill='#ffffff'/>",
        f"<text x='32' y='38' font-size='19' font-weight='600' fill='#1c1c1c'>{escape(_title(flow, total))}</text>",
        f"<text x='32' y='60' fill='#5c5c5c'>{escape(_subtitle(flow))}</text>",
        *_ribbons(stages, colours, moves, left, right, scale),
        *_nodes(stages, colours, left, "before", moves),
        *_nodes(stages, colours, right, "after", moves),
        *_legend(height, colours, stages),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _stages(flow: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of stages in their order; those removed since come last."""
    names = {stage["key"]: stage["name"] for stage in flow["stages"]}
    moved = sorted({move[side] for move in flow["moves"] for side in ("before", "after")} - names.keys())
    return {**names, **{key: f"{key} (removed)" for key in moved}}


def _place(
    stages: Mapping[str, str], moves: Sequence[Mapping[str, Any]], side: str, scale: float
) -> tuple[dict[str, tuple[float, float]], float]:
    """Return the top and height of each stage of one side, and where the last ends."""
    numbers: Counter[str] = Counter()
    for move in moves:
        numbers[move[side]] += move["moves"]
    placed: dict[str, tuple[float, float]] = {}
    top = float(_TOP)
    for key in stages:
        if number := numbers[key]:
            height = max(number * scale, _LEAST)
            placed[key] = (top, height)
            top += height + _GAP
    return placed, top - _GAP


def _ribbons(
    stages: Mapping[str, str],
    colours: Mapping[str, str],
    moves: Sequence[Mapping[str, Any]],
    left: Mapping[str, tuple[float, float]],
    right: Mapping[str, tuple[float, float]],
    scale: float,
) -> list[str]:
    order = {key: number for number, key in enumerate(stages)}
    starts = {key: top for key, (top, _) in left.items()}
    ends = {key: top for key, (top, _) in right.items()}
    tops: dict[tuple[str, str], tuple[float, float, float]] = {}
    for move in sorted(moves, key=lambda move: (order[move["before"]], order[move["after"]])):
        height = move["moves"] * scale
        tops[move["before"], move["after"]] = (starts[move["before"]], 0.0, height)
        starts[move["before"]] += height
    for move in sorted(moves, key=lambda move: (order[move["after"]], order[move["before"]])):
        start, _, height = tops[move["before"], move["after"]]
        tops[move["before"], move["after"]] = (start, ends[move["after"]], height)
        ends[move["after"]] += height
    ribbons, labels = [], []
    # Thin ribbons lie over wide ones.
    for move in sorted(moves, key=lambda move: -move["moves"]):
        start, end, height = tops[move["before"], move["after"]]
        number, colour = order[move["before"]], colours[move["before"]]
        look = (
            f"fill='{colour}' fill-opacity='0.38'"
            if move["is_designed"]
            else f"fill='url(#hatch-{number})' stroke='{colour}' stroke-opacity='0.55' stroke-width='0.8'"
        )
        ribbons.append(f"<path d='{_curve(start, end, height)}' {look}><title>{escape(_tooltip(move))}</title></path>")
        if height >= _LABEL_FROM:
            labels.append(
                f"<text x='{_LEFT + _NODE + 8}' y='{start + height / 2 + 4:.1f}' font-size='12' fill='#1c1c1c' "
                f"stroke='#ffffff' stroke-width='3' stroke-opacity='0.85' paint-order='stroke'>"
                f"{escape(_short(move))}</text>"
            )
    return ribbons + labels


def _curve(start: float, end: float, height: float) -> str:
    x0, x1 = _LEFT + _NODE, _RIGHT
    middle = (x0 + x1) / 2
    height = max(height, 1.0)
    return (
        f"M{x0},{start:.1f} C{middle:.0f},{start:.1f} {middle:.0f},{end:.1f} {x1},{end:.1f} "
        f"L{x1},{end + height:.1f} C{middle:.0f},{end + height:.1f} {middle:.0f},{start + height:.1f} "
        f"{x0},{start + height:.1f} Z"
    )


def _nodes(
    stages: Mapping[str, str],
    colours: Mapping[str, str],
    placed: Mapping[str, tuple[float, float]],
    side: str,
    moves: Sequence[Mapping[str, Any]],
) -> list[str]:
    is_left = side == "before"
    x, label, anchor = (_LEFT, _LEFT - 10, "end") if is_left else (_RIGHT, _RIGHT + _NODE + 10, "start")
    parts = []
    for key, (top, height) in placed.items():
        number = sum(move["moves"] for move in moves if move[side] == key)
        middle = top + height / 2
        parts += [
            f"<rect x='{x}' y='{top:.1f}' width='{_NODE}' height='{height:.1f}' rx='2' fill='{colours[key]}'/>",
            f"<text x='{label}' y='{middle:.1f}' text-anchor='{anchor}' fill='#1c1c1c' font-weight='600'>"
            f"{escape(_shorten(stages[key]))}</text>",
            f"<text x='{label}' y='{middle + 16:.1f}' text-anchor='{anchor}' fill='#5c5c5c' font-size='12'>"
            f"{number:,} {'left' if is_left else 'came'}</text>",
        ]
    return parts


def _legend(height: int, colours: Mapping[str, str], stages: Mapping[str, str]) -> list[str]:
    colour, y = (colours[next(iter(stages))] if stages else _COLOURS[0]), height - 30
    return [
        f"<rect x='32' y='{y}' width='34' height='12' fill='{colour}' fill-opacity='0.38'/>",
        f"<text x='74' y='{y + 11}' fill='#5c5c5c'>designed</text>",
        f"<rect x='156' y='{y}' width='34' height='12' fill='url(#hatch-0)' stroke='{colour}' stroke-opacity='0.55' "
        "stroke-width='0.8'/>",
        f"<text x='198' y='{y + 11}' fill='#5c5c5c'>drawn nowhere</text>",
    ]


def _hatch(number: int, colour: str) -> str:
    return (
        f"<pattern id='hatch-{number}' width='7' height='7' patternUnits='userSpaceOnUse' "
        f"patternTransform='rotate(45)'><rect width='7' height='7' fill='{colour}' fill-opacity='0.10'/>"
        f"<rect width='2.4' height='7' fill='{colour}' fill-opacity='0.75'/></pattern>"
    )


def _title(flow: Mapping[str, Any], total: int) -> str:
    return f"Life cycle, {flow['begin'][:10]} to {flow['end'][:10]}: {total:,} move{'' if total == 1 else 's'}"


def _subtitle(flow: Mapping[str, Any]) -> str:
    if flow["designed_share"] is None:
        return "No moves"
    said = f"{format_share(flow['designed_share'])} as designed"
    return f"{said}; most often not: {flow['deviations'][0]['text']}" if flow["deviations"] else said


def _tooltip(move: Mapping[str, Any]) -> str:
    stay = "" if move["median_days"] is None else f", after {format_stay(move['median_days'])} in the median"
    design = "designed" if move["is_designed"] else "drawn nowhere"
    return (
        f"{move['before']} > {move['after']}: {move['people']:,} people, {format_share(move['share'])}{stay}; {design}"
    )


def _short(move: Mapping[str, Any]) -> str:
    stay = "" if move["median_days"] is None else f", {format_stay(move['median_days'])}"
    return f"{format_share(move['share'])}{stay}"


def _shorten(name: str) -> str:
    return name if len(name) <= 24 else f"{name[:23]}…"
