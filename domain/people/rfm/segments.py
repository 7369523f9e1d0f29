"""The ten segments of RFM, by scores of recency and frequency."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final, NamedTuple

from domain.people.rfm.rule import LAST, ORDERS, RFM, RFM_PREFIX
from domain.people.rfm.scores import Breakpoints, Cell
from domain.people.segments.definition import OnChange, SegmentRule

# The condition without breakpoints: no one is in the segment.
NEVER: Final = "false"


class ScoredSegment(NamedTuple):
    """A segment: its scores from the least to the most."""

    name: str
    title: str
    recency: tuple[int, int]
    frequency: tuple[int, int]

    @property
    def key(self) -> str:
        """Return the key by which conditions and triggers name it."""
        return f"{RFM_PREFIX}{self.name}"

    @property
    def cells(self) -> Iterator[tuple[int, int]]:
        """Iterate over its scores of recency and frequency."""
        for recency in range(self.recency[0], self.recency[1] + 1):
            for frequency in range(self.frequency[0], self.frequency[1] + 1):
                yield recency, frequency

    @property
    def text(self) -> str:
        """Return its scores for people: `recency 5, frequency 4-5`."""
        return f"recency {_write_range(self.recency)}, frequency {_write_range(self.frequency)}"


# Each of the 25 cells is in one of them.
SEGMENTS: Final = (
    ScoredSegment("champions", "Champions", (5, 5), (4, 5)),
    ScoredSegment("loyal", "Loyal", (3, 4), (4, 5)),
    ScoredSegment("potential-loyalist", "Potential loyalists", (4, 5), (2, 3)),
    ScoredSegment("new", "New", (5, 5), (1, 1)),
    ScoredSegment("promising", "Promising", (4, 4), (1, 1)),
    ScoredSegment("need-attention", "Need attention", (3, 3), (3, 3)),
    ScoredSegment("about-to-sleep", "About to sleep", (3, 3), (1, 2)),
    ScoredSegment("at-risk", "At risk", (1, 2), (3, 4)),
    ScoredSegment("cannot-lose", "Cannot lose", (1, 2), (5, 5)),
    ScoredSegment("hibernating", "Hibernating", (1, 2), (1, 2)),
)
_BY_CELL: Final = {cell: segment for segment in SEGMENTS for cell in segment.cells}


def segment_of(recency: int, frequency: int) -> ScoredSegment:
    """Return the segment of two scores."""
    return _BY_CELL[recency, frequency]


def make_segment_rule(
    segment: ScoredSegment, breakpoints: Breakpoints | None, day: str | None, *, is_move: bool = False
) -> SegmentRule:
    """Return the rule of a segment by breakpoints of a day.

    No one is in it without them. `is_move` lets triggers hear of the people that new breakpoints move.
    """
    where = NEVER if breakpoints is None else _write_condition(segment, breakpoints)
    on_change: OnChange = "trigger" if is_move else "silent"
    return SegmentRule(where, on_change, RFM, SEGMENTS.index(segment), day)


def list_changed(
    stored: Mapping[str, SegmentRule], breakpoints: Breakpoints | None, day: date | None
) -> list[tuple[ScoredSegment, SegmentRule]]:
    """Return the segments that new breakpoints give another condition, with it.

    `stored` are the rules in force, by key. People move with triggers if they had scores and have scores.
    """
    is_move = breakpoints is not None and any(rule.where != NEVER for rule in stored.values())
    written = None if day is None else day.isoformat()
    rules = [(segment, make_segment_rule(segment, breakpoints, written, is_move=is_move)) for segment in SEGMENTS]
    return [
        (segment, rule)
        for segment, rule in rules
        if (known := stored.get(segment.key)) is None or known.where != rule.where
    ]


def average_spent(segment: ScoredSegment, cells: Iterable[Cell]) -> float | None:
    """Return the mean sum of a segment's buyers; None without any."""
    own = [cell for cell in cells if segment_of(cell.recency, cell.frequency) is segment]
    people = sum(cell.people for cell in own)
    return sum(cell.spent for cell in own) / people if people else None


def _write_condition(segment: ScoredSegment, breakpoints: Breakpoints) -> str:
    """Return a segment's condition in CEL. Each part is one bound of a score."""
    (least_recent, most_recent), (least, most) = segment.recency, segment.frequency
    parts = [f"profile.computed.{ORDERS} > {0 if least == 1 else breakpoints.frequency[least - 2]}"]
    if most < 5:
        parts.append(f"profile.computed.{ORDERS} <= {breakpoints.frequency[most - 1]}")
    if least_recent > 1:
        parts.append(_write_recent(breakpoints.recency[5 - least_recent]))
    if most_recent < 5:
        parts.append(f"!{_write_recent(breakpoints.recency[4 - most_recent])}")
    return " && ".join(parts)


def _write_recent(days: int) -> str:
    """Return that the last order is at most so many whole days ago, or ahead."""
    last = f"profile.computed.{LAST}"
    return f'(within({last}, "{days + 1}d") || within({last}, "-2h"))'


def _write_range(scores: tuple[int, int]) -> str:
    return str(scores[0]) if scores[0] == scores[1] else f"{scores[0]}-{scores[1]}"
