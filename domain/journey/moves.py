"""Moves of a journey from step to step, and into and out of repetitions."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from domain.campaign.plan import Delay, Exit, Message, Plan, Repeat, Until, WaitFor
from domain.journey import bucketing
from domain.journey.state import COMPLETED, HISTORY_LENGTH, SCHEDULE_ENDED, HistoryEntry, JourneyState, Round
from domain.sending.policy import ON_HOLD, PROVIDER_PAUSED


def arrive(plan: Plan, state: JourneyState, step: str | None, at: datetime) -> JourneyState:
    """Return the state on arrival at a step."""
    visits = state.visits if step is None else {**state.visits, step: state.visits.get(step, 0) + 1}
    arrived = replace(
        state,
        step=step,
        since=at,
        until=None,
        phase="deciding",
        reason=None,
        attempt=1,
        message_id=None,
        visits=visits,
        loops=_loops_around(plan, state, step),
        resumed=False,
        members=None,
    )
    if step is None:
        return arrived
    match node := plan.node(step):
        case Delay(id=id, seconds=seconds, spread=spread):
            drawn = bucketing.hash_bucket(spread + 1, state.seed, id) if spread else 0
            return replace(arrived, until=at + timedelta(seconds=seconds + drawn))
        case WaitFor(timeout=seconds):
            return replace(arrived, until=at + timedelta(seconds=seconds))
        case Repeat() if step in arrived.loops:
            return _finish_round(plan, arrived, node, at)
        case Repeat():
            begun = Round(arrived.match_since, consumed_event=arrived.consumed_event)
            entered = replace(arrived, loops={**arrived.loops, step: begun})
            return entered if node.checks else arrive(plan, entered, node.body, at)
        case _:
            return arrived


def next_round(plan: Plan, state: JourneyState, node: Repeat, at: datetime) -> JourneyState:
    """Begin the next round after the rest between two."""
    return replace(state, phase="deciding", until=None) if node.checks else arrive(plan, state, node.body, at)


def leave_stopped(plan: Plan, state: JourneyState, at: datetime, *, rested: bool) -> JourneyState:
    """Leave each repetition whose ending event has come, the outermost first.

    With `rested`, the journey rested until now, instead of arriving from an answered request.
    """
    while (stopped := _find_stopped(plan, state)) is not None:
        node, event_id = stopped
        leaving = replace(note(state, at, f"event {event_id}"), consumed_event=event_id)
        state = arrive(plan, listen_from(leaving, at) if rested else leaving, node.next, at)
    return state


def listen_from(state: JourneyState, at: datetime) -> JourneyState:
    """Match only events from now on, after a rest or an answer of the gate."""
    return replace(state, match_since=at)


def may_be_stopped(plan: Plan, state: JourneyState) -> bool:
    """Whether an event may end a repetition that the journey is in."""
    return any(isinstance(node := plan.node(id), Repeat) and node.until is not None for id in state.loops)


def is_at_rest(plan: Plan, state: JourneyState) -> bool:
    """Whether the journey waits for no answer."""
    if state.step is None:
        return False
    match plan.node(state.step):
        case Delay() | WaitFor():
            return True
        case Until() | Repeat():
            return state.phase == "resting"
        case Message():
            return state.phase in ("deferred", "held")
        case _:
            return False


def rests_until(plan: Plan, state: JourneyState) -> datetime | None:
    """Return the end of the rest, or of the schedule if earlier; None if unknown."""
    ends = [end for end in (state.until, plan.ends_at) if end is not None]
    return min(ends, default=None)


def outcome_of(plan: Plan, state: JourneyState) -> str | None:
    """Return the outcome of a journey that is over, else None."""
    if state.outcome is not None:
        return state.outcome
    if state.step is None:
        return COMPLETED
    node = plan.node(state.step)
    return node.outcome if isinstance(node, Exit) else None


def outcome_after(plan: Plan, state: JourneyState, step: str | None) -> str | None:
    """Return the outcome if arriving at this step ends the journey, else None."""
    return outcome_of(plan, arrive(plan, state, step, state.since))


def end_by_schedule(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    """End the journey if its schedule ends journeys and is over."""
    if plan.ends_at is None or at < plan.ends_at or outcome_of(plan, state) is not None:
        return state
    return replace(note(state, at, "the schedule ended"), outcome=SCHEDULE_ENDED, recorded=False)


def ask_again(state: JourneyState, at: datetime) -> JourneyState:
    """Repeat the request of this step as its next attempt."""
    asked = replace(
        state, phase="deciding", attempt=state.attempt + 1, until=None, reason=None, message_id=None, resumed=False
    )
    return listen_from(asked, at)


def ask_resumed(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    """Repeat the request for a held message.

    With `retimes`, it is made as of now after a pause of the campaign.
    """
    asked = ask_again(state, at)
    return replace(asked, since=at) if plan.retimes and state.reason not in (ON_HOLD, PROVIDER_PAUSED) else asked


def note(state: JourneyState, at: datetime, what: str) -> JourneyState:
    """Add a line to the history, which engineers read."""
    passed = HistoryEntry(at, state.step or "", what)
    return replace(state, history=(*state.history, passed)[-HISTORY_LENGTH:])


def _finish_round(plan: Plan, state: JourneyState, node: Repeat, at: datetime) -> JourneyState:
    before = state.loops[node.id]
    round = replace(before, done=before.done + 1)
    counted = replace(state, loops={**state.loops, node.id: round})
    if node.times is not None and round.done >= node.times:
        return arrive(plan, note(counted, at, f"{round.done} rounds"), node.next, at)
    return replace(counted, phase="resting", until=at + timedelta(seconds=node.every))


def _find_stopped(plan: Plan, state: JourneyState) -> tuple[Repeat, str] | None:
    """Return the outermost repetition that an event has ended, and the event.

    None if there is none, or if a message is to be sent first.
    """
    if state.step is None or state.phase == "granted" or outcome_of(plan, state) is not None:
        return None
    for node in reversed([*_own(plan, state.step), *plan.repetitions(state.step)]):
        if (event_id := _stopping_event(state, node)) is not None:
            return node, event_id
    return None


def _stopping_event(state: JourneyState, node: Repeat) -> str | None:
    """Return the event that ended a repetition since it was entered; None if none did."""
    round = state.loops.get(node.id)
    match = None if node.until is None else state.matches.get(node.until)
    if round is None or match is None or match.at < round.since or match.event_id == round.consumed_event:
        return None
    return match.event_id


def _loops_around(plan: Plan, state: JourneyState, step: str | None) -> dict[str, Round]:
    """Return the repetitions that continue at a step.

    These are the repetitions around it, and the step itself if the journey comes from within it.
    """
    if not state.loops or step is None:
        return {}
    around = {node.id for node in plan.repetitions(step)}
    if state.step is not None and any(node.id == step for node in plan.repetitions(state.step)):
        around.add(step)
    return {id: round for id, round in state.loops.items() if id in around}


def _own(plan: Plan, step: str) -> list[Repeat]:
    return [node] if isinstance(node := plan.node(step), Repeat) else []
