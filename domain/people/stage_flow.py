"""How people move through the life cycle, compared with how it is designed."""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct

from domain.people.lifecycle import StageRule

_DAY_SECONDS = 86_400
_UNITS = (("d", _DAY_SECONDS), ("h", 3_600), ("min", 60), ("s", 1))


class CountedMove(Struct, frozen=True):
    """A move from a stage to another, counted over a period.

    `before` is None for people who were in no stage. `median_days` is the time spent in the stage that is left; None if
    no whole stay was observed.
    """

    before: str | None
    after: str
    moves: int
    people: int
    median_days: float | None


class MoveMessage(Struct, frozen=True):
    """A step whose message was the last before so many moves."""

    before: str | None
    after: str
    campaign: str
    step: str
    moves: int


class StageMove(Struct, frozen=True):
    """A move, its share of all moves out of its stage, and whether it is designed."""

    before: str
    after: str
    moves: int
    people: int
    share: float
    median_days: float | None
    is_designed: bool
    messages: Sequence[MoveMessage]

    @property
    def text(self) -> str:
        """The move in a sentence."""
        said = f"{format_share(self.share)} go {self.before} > {self.after}"
        return said if self.is_designed else f"{said}, drawn nowhere"


class StageFlow(Struct, frozen=True):
    """The moves of a period, by the order of stages.

    `designed_share` is that of the moves that are designed; None without any. `deviations` are the other moves, the
    most frequent first. `unused` are designed moves that did not happen. `entered` counts the people who came into the
    life cycle, by their first stage.
    """

    moves: Sequence[StageMove]
    designed_share: float | None
    deviations: Sequence[StageMove]
    unused: Sequence[tuple[str, str]]
    entered: dict[str, int]


def compare_flow(
    stages: Sequence[StageRule], counted: Iterable[CountedMove], messages: Iterable[MoveMessage]
) -> StageFlow:
    """Compare the counted moves with the designed ones.

    Stages that were removed since come last.
    """
    rows = list(counted)
    designed = {(stage.key, after) for stage in stages for after in stage.designed}
    order = {stage.key: stage.position for stage in stages}
    left: Counter[str] = Counter()
    for row in rows:
        if row.before is not None:
            left[row.before] += row.moves
    attributed: dict[tuple[str | None, str], list[MoveMessage]] = {}
    for one in messages:
        attributed.setdefault((one.before, one.after), []).append(one)
    moves = [
        StageMove(
            before=row.before,
            after=row.after,
            moves=row.moves,
            people=row.people,
            share=row.moves / left[row.before],
            median_days=row.median_days,
            is_designed=(row.before, row.after) in designed,
            messages=sorted(attributed.get((row.before, row.after), ()), key=lambda one: -one.moves),
        )
        for row in rows
        if row.before is not None
    ]
    last = len(order) + 1
    moves.sort(key=lambda move: (order.get(move.before, last), order.get(move.after, last), move.before, move.after))
    made = {(move.before, move.after) for move in moves}
    total, following = left.total(), sum(move.moves for move in moves if move.is_designed)
    return StageFlow(
        moves=moves,
        designed_share=following / total if total else None,
        deviations=sorted((move for move in moves if not move.is_designed), key=lambda move: -move.moves),
        unused=[(stage.key, after) for stage in stages for after in stage.designed if (stage.key, after) not in made],
        entered={row.after: row.people for row in rows if row.before is None},
    )


def format_share(share: float) -> str:
    """Return a share as authors read it: `23 %`, and `<1 %` for the least."""
    return "<1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def format_stay(days: float) -> str:
    """Return a time as authors read it: `1.2 d`, below a day `4 h`, `7 min` or `30 s`."""
    for unit, seconds in _UNITS:
        if days * _DAY_SECONDS >= seconds:
            return f"{days * _DAY_SECONDS / seconds:.0f} {unit}" if unit != "d" else f"{days:.1f} d"
    return "0 s"
