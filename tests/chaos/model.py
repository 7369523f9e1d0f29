"""What must have happened to whom, from what was acknowledged alone.

Instants are of one monotonic clock, that of whoever sent and was answered. What was never acknowledged may have counted
or not. Between an entry and an exception event, a pause or a stop there is a race: what comes of it is an interval, but
from the acknowledgement on nothing may be handed over that was not claimed before.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from tests.chaos.campaigns import BY_ENTRY, NUDGE, ORDERED, SEEN, TIDE, Campaign, Channel

Verb = Literal["pause", "resume", "stop", "start", "apply", "exit"]
Outcome = Literal["completed", "engaged", "exited"]
NEVER_ASKED = float("inf")


class Say(Enum):
    """How far the acknowledgements tell whether something has happened."""

    MUST = "must"
    MAY = "may"
    NEVER = "never"


@dataclass(slots=True)
class Call:
    """One event as its client knows it: when it was first sent and when it was acknowledged, if ever.

    `batch` and `place` say with which others it went, in what order; `late` is by how many seconds its timestamp lies
    before that of the others of its batch.
    """

    message_id: str
    user: str
    name: str
    ref: str
    batch: str
    place: int
    late: float
    sent: float
    acknowledged: float | None = None


@dataclass(slots=True)
class Move:
    """What an operator did to a campaign, or to its journey of a `ref`: when asked for, when acknowledged, if ever."""

    campaign: str
    verb: Verb
    asked: float
    acknowledged: float | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """A user and a device that one call named together. A device belongs to one of its users, and no other."""

    user: str
    device: str


@dataclass(frozen=True, slots=True)
class Expected:
    """Of one ref, that is of one entry of one user into one campaign.

    `journey` says whether there is one, `outcomes` how it may have ended, `messages` what it sent; where a cap stood in
    the way of a message that must go, the ledger has to show it. `silent_from` is when the event or the stop was
    acknowledged that ends it.
    """

    campaign: Campaign
    user: str
    ref: str
    journey: Say
    outcomes: frozenset[Outcome]
    messages: Mapping[Channel, Say]
    silent_from: float | None = None


def expect(calls: Iterable[Call], moves: Sequence[Move]) -> dict[str, Expected]:
    """What is to be expected of each ref that was sent as an entry."""
    by_ref: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        by_ref[call.ref].append(call)
    return {
        ref: _expected(BY_ENTRY[entries[0].name], entries, about, moves)
        for ref, about in by_ref.items()
        if (entries := [call for call in about if call.name in BY_ENTRY])
    }


def pauses(moves: Sequence[Move]) -> list[tuple[str, float, float]]:
    """The campaigns and the intervals in which they were certainly paused."""
    found = []
    for number, move in enumerate(moves):
        if move.verb == "pause" and move.acknowledged is not None:
            later = [one.asked for one in moves[number:] if one.campaign == move.campaign and one.verb == "resume"]
            found.append((move.campaign, move.acknowledged, min(later, default=NEVER_ASKED)))
    return found


def _expected(campaign: Campaign, entries: list[Call], about: list[Call], moves: Sequence[Move]) -> Expected:
    acknowledged = [call for call in entries if call.acknowledged is not None]
    journey = Say.MUST if acknowledged else Say.MAY
    ends: frozenset[Outcome] = frozenset({"completed"})
    messages = dict.fromkeys(campaign.sends, journey)
    silent_from = None
    if campaign.exit is not None:
        manual = [move for move in moves if move.ref == entries[0].ref]
        journey, ends, silent_from = _cart(entries, about, manual, journey)
    elif campaign is TIDE:
        journey, ends, silent_from = _tide(entries, [move for move in moves if move.campaign == campaign.key], journey)
    if "exited" in ends or journey is Say.NEVER:
        # Of what began and ended within one batch, nothing is ever asked for.
        said = Say.NEVER if journey is Say.NEVER or _is_stillborn(entries, about) else Say.MAY
        messages = dict.fromkeys(campaign.sends, said)
    elif "engaged" in ends or campaign is NUDGE:
        messages["email"] = Say.MAY
    return Expected(campaign, entries[0].user, entries[0].ref, journey, ends, messages, silent_from)


def _cart(
    entries: list[Call], about: list[Call], manual: list[Move], journey: Say
) -> tuple[Say, frozenset[Outcome], float | None]:
    """Ended by its exit event, whenever that is received; kept out by one of a later timestamp received before.

    Also ended by hand, by whoever has seen it.
    """
    outcomes: set[Outcome] = {"completed"}
    if any(call.name == SEEN for call in about):
        outcomes.add("engaged")
    silent_from = min((move.acknowledged for move in manual if move.acknowledged is not None), default=None)
    if manual:
        outcomes.add("exited")
    for exit in (call for call in about if call.name == ORDERED):
        together = [entry for entry in entries if entry.batch == exit.batch]
        if any(entry.place > exit.place and entry.late > exit.late for entry in together):
            return Say.NEVER, frozenset(), None
        if together:
            return journey, frozenset({"exited"}), exit.acknowledged
        outcomes.add("exited")
        is_after = any(entry.acknowledged is not None and entry.acknowledged <= exit.sent for entry in entries)
        if exit.acknowledged is not None and is_after:
            silent_from = min(exit.acknowledged, silent_from or exit.acknowledged)
    return journey, frozenset(outcomes), silent_from


def _is_stillborn(entries: list[Call], about: list[Call]) -> bool:
    return any(call.name == ORDERED and call.batch == entry.batch for call in about for entry in entries)


def _tide(entries: list[Call], moves: Sequence[Move], journey: Say) -> tuple[Say, frozenset[Outcome], float | None]:
    """Somebody gets in while it certainly runs, nobody while it is certainly stopped; each stop ends all inside."""
    sent = min(entry.sent for entry in entries)
    acknowledged = min((entry.acknowledged for entry in entries if entry.acknowledged is not None), default=None)
    until = max((entry.acknowledged or NEVER_ASKED for entry in entries), default=NEVER_ASKED)
    for stop, start in _stops(moves):
        ran_again = NEVER_ASKED if start is None else start.acknowledged or NEVER_ASKED
        if stop.acknowledged is not None and stop.acknowledged <= sent:
            if until <= (NEVER_ASKED if start is None else start.asked):
                return Say.NEVER, frozenset(), None
            if sent < ran_again:
                return Say.MAY, frozenset({"exited"}), None
            continue
        if acknowledged is not None and acknowledged <= stop.asked:
            return journey, frozenset({"exited"}), stop.acknowledged
        return Say.MAY, frozenset({"exited"}), None
    return journey, frozenset({"exited"}), None


def _stops(moves: Sequence[Move]) -> list[tuple[Move, Move | None]]:
    """Each stop, with the start after it."""
    stops: list[tuple[Move, Move | None]] = []
    for move in moves:
        if move.verb == "stop":
            stops.append((move, None))
        elif move.verb == "start" and stops:
            stops[-1] = (stops[-1][0], move)
    return stops
