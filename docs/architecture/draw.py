"""Draw the architecture for the README: `python docs/architecture/draw.py` writes light.svg and dark.svg beside it."""

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Literal, NamedTuple

WIDTH, HEIGHT, TOP = 1080, 690, 30
FONT = "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"

Way = Literal["event", "message"]
Point = tuple[int, int]


class Theme(NamedTuple):
    """The colours of one theme; the background is GitHub's own."""

    text: str
    muted: str
    box: str
    chip: str
    border: str
    event: str
    message: str
    on_badge: str


LIGHT = Theme("#1f2328", "#59636e", "#f6f8fa", "#ffffff", "#d1d9e0", "#0969da", "#bc4c00", "#ffffff")
DARK = Theme("#f0f6fc", "#9198a1", "#151b23", "#0d1117", "#3d444d", "#58a6ff", "#f0883e", "#0d1117")


class Box(NamedTuple):
    """A process, a store or a party outside, with its parts: (title, what it does)."""

    x: int
    y: int
    width: int
    height: int
    title: str
    subtitle: str
    parts: Sequence[tuple[int, str, str]] = ()
    is_outside: bool = False


class Arrow(NamedTuple):
    """A step of a way: its badge, what is passed on, and where the words stand."""

    way: Way
    badge: str
    points: Sequence[Point]
    words: Sequence[str] = ()
    words_at: Point = (0, 0)
    badge_at: Point | None = None
    anchor: Literal["start", "middle", "end"] = "middle"
    is_dashed: bool = False


BOXES = [
    Box(10, 50, 150, 84, "Your backend", "any Segment client", is_outside=True),
    Box(280, 40, 190, 104, "API", "decode, match, decide"),
    Box(
        280,
        250,
        190,
        366,
        "PostgreSQL",
        "source of truth",
        (
            (310, "events · profiles", "consent, addresses"),
            (384, "journeys", "position, outcome"),
            (458, "outbox", "for Temporal"),
            (532, "ledger · decisions", "messages, reasons"),
        ),
    ),
    Box(
        640,
        250,
        170,
        366,
        "Worker",
        "any number",
        (
            (310, "relay", "outbox to Temporal"),
            (384, "journey", "workflow, pure machine"),
            (458, "gate", "authorises each send"),
            (532, "send", "claim, render, settle"),
        ),
    ),
    Box(
        940,
        250,
        130,
        366,
        "Temporal",
        "durable execution",
        ((310, "workflows", "one a journey"), (384, "timers", "delays, waits"), (532, "task queues", "one a channel")),
    ),
    Box(640, 656, 170, 56, "Provider", "e-mail, webhook", is_outside=True),
]

ARROWS = [
    Arrow("event", "1", [(160, 78), (280, 78)], ["POST /v1/batch"], (220, 60)),
    Arrow("event", "3", [(280, 112), (160, 112)], ["2xx, committed"], (220, 140)),
    Arrow(
        "event",
        "2",
        [(375, 144), (375, 250)],
        ["one transaction: events, profiles,", "entries, exits, goals, outbox rows"],
        (396, 192),
        anchor="start",
    ),
    Arrow("event", "4", [(460, 483), (556, 483), (556, 335), (650, 335)], ["oldest row", "of a workflow"], (556, 304)),
    Arrow("event", "5", [(800, 335), (950, 335)], ["start, signal"], (875, 316)),
    Arrow("event", "6", [(950, 400), (800, 400)], ["task"], (875, 382)),
    Arrow("message", "a", [(725, 434), (725, 458)], badge_at=(704, 446)),
    Arrow(
        "message", "b", [(650, 494), (600, 494), (600, 545), (460, 545)], ["decide, reserve"], (526, 530), (600, 520)
    ),
    Arrow(
        "message",
        "c",
        [(800, 420), (880, 420), (880, 545), (950, 545)],
        ["granted"],
        (862, 487),
        (880, 482),
        "end",
    ),
    Arrow("message", "d", [(950, 570), (800, 570)], ["activity"], (875, 598)),
    Arrow("message", "e", [(650, 570), (460, 570)], ["claim, then settle"], (555, 598)),
    Arrow("message", "f", [(725, 582), (725, 656)], ["hand over, once claimed"], (746, 642), anchor="start"),
    Arrow(
        "event",
        "",
        [(640, 684), (85, 684), (85, 134)],
        ["opened, clicked:", "reported as events"],
        (105, 652),
        anchor="start",
        is_dashed=True,
    ),
]


def draw(theme: Theme) -> str:
    """The picture in one theme."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 {TOP} {WIDTH} {HEIGHT}" font-family="{FONT}" role="img">',
        "<title>The way of an event and the way of a message through Sojourn</title>",
        "<defs>",
        _head("event", theme),
        _head("message", theme),
        "</defs>",
        *(line for box in BOXES for line in _box(box, theme)),
        *(line for arrow in ARROWS for line in _arrow(arrow, theme)),
        *_legend(theme),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _colour(way: Way, theme: Theme) -> str:
    return theme.event if way == "event" else theme.message


def _head(way: Way, theme: Theme) -> str:
    return (
        f'<marker id="{way}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        f'<path d="M0 0 10 5 0 10z" fill="{_colour(way, theme)}"/></marker>'
    )


def _text(x: int, y: int, words: str, size: int, colour: str, anchor: str = "middle", weight: int = 400) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def _box(box: Box, theme: Theme) -> Iterator[str]:
    dashes = ' stroke-dasharray="5 4"' if box.is_outside else ""
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="10" '
        f'fill="{theme.box}" stroke="{theme.border}" stroke-width="1.5"{dashes}/>'
    )
    middle = box.x + box.width // 2
    top = box.y + 26 if box.parts else box.y + box.height // 2 - 4
    yield _text(middle, top, box.title, 18, theme.text, weight=600)
    yield _text(middle, top + 20, box.subtitle, 14, theme.muted)
    for y, title, what in box.parts:
        yield (
            f'<rect x="{box.x + 10}" y="{y}" width="{box.width - 20}" height="50" rx="6" '
            f'fill="{theme.chip}" stroke="{theme.border}"/>'
        )
        yield _text(middle, y + 21, title, 15, theme.text, weight=600)
        yield _text(middle, y + 39, what, 13, theme.muted)


def _arrow(arrow: Arrow, theme: Theme) -> Iterator[str]:
    colour = _colour(arrow.way, theme)
    dashes = ' stroke-dasharray="6 5"' if arrow.is_dashed else ""
    points = " ".join(f"{x},{y}" for x, y in arrow.points)
    yield (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
        f'stroke-linejoin="round" marker-end="url(#{arrow.way})"{dashes}/>'
    )
    for row, words in enumerate(arrow.words):
        x, y = arrow.words_at
        yield _text(x, y + 18 * row, words, 14, theme.text, arrow.anchor)
    if arrow.badge:
        (x1, y1), (x2, y2) = arrow.points[0], arrow.points[1]
        x, y = arrow.badge_at or ((x1 + x2) // 2, (y1 + y2) // 2)
        yield f'<circle cx="{x}" cy="{y}" r="11" fill="{colour}"/>'
        yield _text(x, y + 5, arrow.badge, 14, theme.on_badge, weight=700)


def _legend(theme: Theme) -> Iterator[str]:
    entries: tuple[tuple[int, Way], ...] = ((640, "event"), (860, "message"))
    for x, way in entries:
        yield f'<line x1="{x}" y1="60" x2="{x + 32}" y2="60" stroke="{_colour(way, theme)}" stroke-width="3"/>'
        article = "an" if way == "event" else "a"
        yield _text(x + 42, 65, f"the way of {article} {way}", 15, theme.text, "start")


if __name__ == "__main__":
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        Path(__file__).with_name(f"{name}.svg").write_text(draw(theme))
