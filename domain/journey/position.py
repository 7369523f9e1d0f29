"""The position of a journey in its row, which lists and counts read.

The transactions that move a journey write its row, so that this costs no action of its own: each request carries the
`NextPositions` of its possible results, and the activity stores the one that applies. If no activity runs, as when a
wait times out into a delay, the workflow records the position. `StoredPosition` is the content of the row. Moves are
numbered and the row keeps the latest: an activity attempt that timed out may still write.
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
    AuthorizeMembers,
    Command,
    Dispatch,
    Evaluate,
    Evaluated,
    Fact,
    LookedUp,
    LookUp,
    MembersAnswered,
    MembersSettled,
    Perform,
    Performed,
    Settled,
    Unreadable,
)
from domain.journey.records import Journey, seed_of
from domain.journey.state import JourneyState, JourneyStatus
from domain.sending.claim import FAILED, POSTPONED, SENT, AttemptState, may_have_arrived
from domain.sending.gate_answers import Answer, Deferred, Granted, Held, MembersAnswer, MembersPage, Refused


class Position(Struct, frozen=True, omit_defaults=True):
    """A step and the status of a journey there.

    `rest` is the length of the rest in seconds, from taking the position; None if it is unknown or the journey acts.
    """

    step: str
    status: JourneyStatus
    rest: float | None = None


class NextPositions(Struct, frozen=True, omit_defaults=True):
    """The position after each result of a request; None is the end.

    `next_positions` gives their order. A request without positions moves no journey. `move` is the number of the
    request among all that may move the journey.
    """

    move: int
    positions: tuple[Position | None, ...]


class StoredPosition(Struct, frozen=True, omit_defaults=True):
    """The content of the journey's row: step, status and visit, and the last move."""

    step: str
    status: JourneyStatus
    visit: int
    move: int = 0


def position(plan: Plan, state: JourneyState, at: datetime) -> Position | None:
    """Return the position of a journey; None once it is over."""
    if outcome_of(plan, state) is not None:
        return None
    step, status = machine.status(plan, state)
    end = rests_until(plan, state) if is_at_rest(plan, state) else None
    return Position(step, status, _seconds(at, end))


def next_positions(plan: Plan, state: JourneyState, command: Command, at: datetime, move: int) -> NextPositions:
    """Return the positions after each answer to a request at this instant.

    The gate has one, for a refusal, of a message and of all members; a send has one, for any outcome, and a second for
    a message that certainly did not arrive, if it may have a fallback. A fork has
    `otherwise`, then each case or arm. A look-up has three: past, over by now, unreadable. An action has one.
    """
    facts: list[Fact | None]
    match command:
        case Authorize():
            # Any reason except a cap that ends the journey, which the gate decides by itself.
            facts = [Answered(Refused("expired"))]
        case AuthorizeMembers():
            facts = [MembersAnswered(Refused("expired"))]
        case Dispatch():
            outcomes: tuple[AttemptState, ...] = (SENT, FAILED) if state.has_fallback else (SENT,)
            facts = [Settled(outcome, journey_ended=False) for outcome in outcomes]
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
    next_positions: NextPositions, step: str, answer: Answer | MembersAnswer, at: datetime, ends_at: datetime | None
) -> Position | None:
    """Return the position after the gate's answer. `ends_at` is the plan's end."""
    match answer:
        case Granted() | MembersPage():
            return Position(step, "acting")
        case Deferred(until=until):
            return Position(step, "deferred", _seconds(at, until if ends_at is None else min(until, ends_at)))
        case Held(until=until):
            ends = [end for end in (until, ends_at) if end is not None]
            return Position(step, "held", _seconds(at, min(ends, default=None)))
        case Refused():
            [refused] = next_positions.positions
            return refused
        case _:
            assert_never(answer)


def position_after_send(next_positions: NextPositions, outcome: AttemptState) -> Position | None:
    """Return the position after the outcome of a message."""
    positions = next_positions.positions
    return positions[0] if may_have_arrived(outcome) else positions[-1]


def position_after_branch(next_positions: NextPositions, case: int | None) -> Position | None:
    """Return the position after the answer of a branch, a split or a repetition."""
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
    """Return the position after a look-up: a rest, unless past, over or unreadable."""
    past, over, unreadable = next_positions.positions
    if isinstance(until, Unreadable):
        return unreadable
    if until is None or is_past:
        return past
    if until <= at:
        return over
    return Position(step, "waiting", _seconds(at, until if ends_at is None else min(until, ends_at)))


def position_at_entry(plan: Plan, journey: Journey) -> Position | None:
    """Return the position of a new journey."""
    seed = seed_of(journey.workflow_id, journey.campaign_key)
    return position(plan, machine.begin(plan, journey.entered_at, seed), journey.entered_at)


def stored_at_start(plan: Plan, begun: JourneyState) -> StoredPosition:
    """Return the content of a new journey's row."""
    step, status = machine.status(plan, begun)
    return StoredPosition(step, status, begun.visits.get(step, 0))


def after_answer(plan: Plan, asked: JourneyState, fact: Fact, at: datetime, stored: StoredPosition) -> StoredPosition:
    """Return the row's content after the answer to a request of this state."""
    if isinstance(fact, MembersSettled):
        # The messages of members move no row.
        return stored
    if isinstance(fact, MembersAnswered) and isinstance(fact.answer, MembersPage) and asked.step is not None:
        # The step goes on, or the next activity or rest records what follows.
        return StoredPosition(asked.step, "acting", asked.visits.get(asked.step, 0), stored.move + 1)
    position, led = _follow(plan, asked, fact, at)
    if position is None or (isinstance(fact, Settled) and fact.outcome == POSTPONED):
        # A postponed message is requested again, and the row already says `acting`.
        return replace(stored, move=stored.move + 1)
    return StoredPosition(position.step, position.status, led.visits.get(position.step, 0), stored.move + 1)


def after_rest(plan: Plan, state: JourneyState, stored: StoredPosition) -> StoredPosition:
    """Return the row's content for a journey that rests here, perhaps unchanged."""
    step, status = machine.status(plan, state)
    here = StoredPosition(step, status, state.visits.get(step, 0), stored.move)
    return stored if here == stored else replace(here, move=stored.move + 1)


def after_move(plan: Plan, state: JourneyState, stored: StoredPosition) -> StoredPosition:
    """Return the row's content for a journey that continues under this plan."""
    step, status = machine.status(plan, state)
    return StoredPosition(step, status, state.visits.get(step, 0), stored.move + 1)


def _follow(plan: Plan, asked: JourneyState, fact: Fact, at: datetime) -> tuple[Position | None, JourneyState]:
    """Return the position and the state after a fact.

    A resumption is left out: the activity that answers cannot know of it.
    """
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
