"""Limits of a backtest: what a change may cost people at most."""

from collections.abc import Iterator
from typing import Final, Literal

from msgspec import Struct

from domain.rehearsal.comparison import Comparison
from domain.rehearsal.tally import Tally

LimitName = Literal["per_person", "growth", "silenced"]
LIMITS: Final[dict[LimitName, str]] = {
    "per_person": "messages of one person",
    "growth": "growth of the messages",
    "silenced": "people who get none any more, of those who got one",
}


class BacktestLimits(Struct, frozen=True):
    """The messages of one person at most, and shares; None sets no limit.

    `growth` and `silenced` compare two versions: the messages that are more, and the people who get none any more, of
    those before.
    """

    per_person: int | None = None
    growth: float | None = None
    silenced: float | None = None


NO_LIMITS: Final = BacktestLimits()


class LimitFinding(Struct, frozen=True):
    """A limit with the number that was found, in words."""

    name: LimitName
    most: str
    found: str
    is_exceeded: bool


def check_limits(limits: BacktestLimits, tally: Tally, comparison: Comparison) -> Iterator[LimitFinding]:
    """Compare the counts of a simulation with limits."""
    if limits.per_person is not None:
        most = tally.most_messages
        yield LimitFinding("per_person", f"{limits.per_person:,}", f"{most:,}", most > limits.per_person)
    before = comparison.before
    if limits.growth is not None:
        yield _check_share("growth", limits.growth, tally.sent - before.sent, before.sent)
    if limits.silenced is not None:
        people = before.people - before.numbers[0]
        yield _check_share("silenced", limits.silenced, comparison.people["none_any_more"], people)


def _check_share(name: LimitName, most: float, number: int, of: int) -> LimitFinding:
    """Check a share; a number of nothing is more than any share."""
    of_nothing = f"{number:,} where there was none" if number else "none"
    return LimitFinding(name, f"{most:.1%}", f"{number / of:.1%}" if of else of_nothing, number > most * of)
