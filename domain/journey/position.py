"""Where a journey is, for those who look at its row.

The transactions that move a journey write its row, so that this costs no action of its own: each request carries the
`NextPositions` of its possible results, and the activity stores the one that applies. Where no activity runs, as when a
wait times out into a delay, the workflow records the position; `StoredPosition` is what the row says. Moves are counted
and the row keeps the latest: an activity attempt that timed out may still write.
"""

from datetime import datetime
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.plan import Fork, Plan
from domain.journey import machine
from domain.journey.moves import is_at_rest, outcome_of, rests_until
from domain.journey.protocol import (
    Answered,
    Authorize,
    Command,
    Dispatch,
    Evaluate,
    Evaluated,
    Fact,
    LookedUp,
    LookUp,
    Perform,
    Performed,
    Settled,
    Unreadable,
)
from domain.journey.records import Journey, seed_of
from domain.journey.state import JourneyState, JourneyStatus
from domain.sending.claim import POSTPONED, SENT
from domain.sending.policy import Answer, Deferred, Granted, Held, Refused


class Position(Struct, frozen=True, omit_defaults=True):
    """A step and what a journey does there: waiting, deferred, held or acting.

    `rest` is for how many seconds from the instant at which the position is taken; None where nobody knows, or it acts.
    """

    step: str
    status: JourneyStatus
    rest: float | None = None


class NextPositions(Struct, frozen=True, omit_defaults=True):
    """The position after each possible result of a request, in the order of `next_positions`; None ends the journey.

    `move` is the number of the request among all that may move the journey.
    """

    move: int
    positions: tuple[Position | None, ...]


class StoredPosition(Struct, frozen=True, omit_defaults=True):
    """What the journey's row says: the step, the status and the visit of the step; and the last move told."""

    step: str
    status: JourneyStatus
    visit: int
    move: int = 0


def position(plan: Plan, state: JourneyState, at: datetime) -> Position | None:
    """Where a journey is; None once it is over."""
    if outcome_of(plan, state) is not None:
        return None
    step, status = machine.status(plan, state)
    end = rests_until(plan, state) if is_at_rest(plan, state) else None
    return Position(step, status, _seconds(at, end))


def next_positions(plan: Plan, state: JourneyState, command: Command, at: datetime, move: int) -> NextPositions:
    """Where the answers to a question lead that is asked at this instant.

    Of the gate: that of a refusal. Of a send: that of any outcome. Of a fork: otherwise, then each case or arm. Of a
    look-up: past already, then over by now, then unreadable. Of an action: done.
    """
    facts: list[Fact | None]
    match command:
        case Authorize():
            # Any reason but a cap that ends the journey, which the gate says by itself.
            facts = [Answered(Refused("expired"))]
        case Dispatch():
            facts = [Settled(SENT, journey_ended=False)]
        case Evaluate(step=step):
            facts = _branch_facts(plan, step)
        case LookUp():
            facts = [LookedUp(None), LookedUp(at), LookedUp(Unreadable())]
        case Perform():
            facts = [Performed(journey_ended=False)]
        case _:
            raise ValueError(f"{command} asks for nothing")
    return NextPositions(move, tuple(None if fact is None else _follow(plan, state, fact, at)[0] for fact in facts))


def position_after_gate(
    next_positions: NextPositions, step: str, answer: Answer, at: datetime, ends_at: datetime | None
) -> Position | None:
    """Where an answer of the gate leads. `ends_at` is when the plan ends, wherever a journey is."""
    match answer:
        case Granted():
            return Position(step, "acting")
        case Deferred(until=until):
            return Position(step, "deferred", _seconds(at, until if ends_at is None else min(until, ends_at)))
        case Held():
            return Position(step, "held", _seconds(at, ends_at))
        case Refused():
            [refused] = next_positions.positions
            return refused
        case _:
            assert_never(answer)


def position_after_branch(next_positions: NextPositions, case: int | None) -> Position | None:
    """Where the answer of a branch, a split or a repetition leads."""
    return next_positions.positions[0 if case is None else case + 1]


def position_after_delay(
    next_positions: NextPositions,
    step: str,
    until: datetime | Unreadable | None,
    *,
    is_past: bool,
    at: datetime,
    ends_at: datetime | None,
) -> Position | None:
    """Where a look-up leads: the rest until the instant, unless that is past already or over by now, or unreadable."""
    past, over, unreadable = next_positions.positions
    if isinstance(until, Unreadable):
        return unreadable
    if until is None or is_past:
        return past
    if until <= at:
        return over
    return Position(step, "waiting", _seconds(at, until if ends_at is None else min(until, ends_at)))


def position_at_entry(plan: Plan, journey: Journey) -> Position | None:
    """Where a journey is that has just been entered."""
    seed = seed_of(journey.workflow_id, journey.campaign_key)
    return position(plan, machine.begin(plan, journey.entered_at, seed), journey.entered_at)


def stored_at_start(plan: Plan, begun: JourneyState) -> StoredPosition:
    """What the row says of a journey that has just been entered."""
    step, status = machine.status(plan, begun)
    return StoredPosition(step, status, begun.visits.get(step, 0))


def after_answer(plan: Plan, asked: JourneyState, fact: Fact, at: datetime, stored: StoredPosition) -> StoredPosition:
    """What the row says once a question has been answered that was asked in this state, at this instant."""
    position, led = _follow(plan, asked, fact, at)
    if position is None or (isinstance(fact, Settled) and fact.outcome == POSTPONED):
        # Where one is asked for again, the row says already that it is acted upon.
        return replace(stored, move=stored.move + 1)
    return StoredPosition(position.step, position.status, led.visits.get(position.step, 0), stored.move + 1)


def after_rest(plan: Plan, state: JourneyState, stored: StoredPosition) -> StoredPosition:
    """What the row is to say of a journey that rests here: what it says, if that is so."""
    step, status = machine.status(plan, state)
    here = StoredPosition(step, status, state.visits.get(step, 0), stored.move)
    return stored if here == stored else replace(here, move=stored.move + 1)


def after_move(plan: Plan, state: JourneyState, stored: StoredPosition) -> StoredPosition:
    """What the row says of a journey that goes on under this plan."""
    step, status = machine.status(plan, state)
    return StoredPosition(step, status, state.visits.get(step, 0), stored.move + 1)


def _follow(plan: Plan, asked: JourneyState, fact: Fact, at: datetime) -> tuple[Position | None, JourneyState]:
    """Where a fact leads, and the state there. That a pause is over by now, the activity that answers cannot know."""
    led = machine.after(plan, replace(asked, resumed=False), fact, at)
    return position(plan, led, at), led


def _branch_facts(plan: Plan, step: str) -> list[Fact | None]:
    node = plan.node(step)
    if not isinstance(node, Fork):
        raise TypeError(f"{step} is not a fork")
    default = None if node.default_way() is None else Evaluated(None)
    return [default, *(Evaluated(case) for case in range(len(node.ways())))]


def _seconds(at: datetime, until: datetime | None) -> float | None:
    return None if until is None else (until - at).total_seconds()
