"""How a journey gets from step to step: what the state is on coming to one, and in and out of repetitions."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from domain.campaign.plan import Delay, Exit, Plan, Repeat, Send, Until, WaitFor
from domain.journey.drawing import fraction
from domain.journey.state import COMPLETED, TRAIL_LENGTH, JourneyState, Passed, Round


def arrive(plan: Plan, state: JourneyState, step: str | None, at: datetime) -> JourneyState:
    """Come to a step. What follows a message without a rest in between also hears of events since it was granted."""
    visits = state.visits if step is None else {**state.visits, step: state.visits.get(step, 0) + 1}
    arrived = replace(
        state,
        step=step,
        since=at,
        looks_back_to=at if _has_rested(plan, state) else state.looks_back_to,
        until=None,
        phase="ask",
        reason=None,
        ask=1,
        message_id=None,
        visits=visits,
        loops=_loops_around(plan, state, step),
        resumed=False,
    )
    if step is None:
        return arrived
    match node := plan.node(step):
        case Delay(id=id, seconds=seconds, spread=spread):
            drawn = int((spread + 1) * fraction(state.seed, id)) if spread else 0
            return replace(arrived, until=at + timedelta(seconds=seconds + drawn))
        case WaitFor(timeout=seconds):
            return replace(arrived, until=at + timedelta(seconds=seconds))
        case Repeat() if step in arrived.loops:
            return _round_done(plan, arrived, node, at)
        case Repeat():
            entered = replace(arrived, loops={**arrived.loops, step: Round(arrived.looks_back_to)})
            return entered if node.checks else arrive(plan, entered, node.body, at)
        case _:
            return arrived


def next_round(plan: Plan, state: JourneyState, node: Repeat, at: datetime) -> JourneyState:
    """The rest between two rounds is over."""
    if node.checks:
        return replace(state, phase="ask", until=None, looks_back_to=at)
    return arrive(plan, state, node.body, at)


def leave_stopped(plan: Plan, state: JourneyState, at: datetime) -> JourneyState:
    """Leave the outermost repetition whose ending event has come, if one has."""
    if state.step is None:
        return state
    for node in reversed([*_own(plan, state.step), *plan.repetitions(state.step)]):
        heard = None if node.until is None else state.matches.get(node.until)
        round = state.loops.get(node.id)
        if heard is None or round is None or heard.at < round.since:
            continue
        others = {id: match for id, match in state.matches.items() if id != node.until}
        return arrive(plan, replace(note(state, at, f"event {heard.event_id}"), matches=others), node.next, at)
    return state


def is_at_rest(plan: Plan, state: JourneyState) -> bool:
    """Whether the journey waits for nothing that it has asked for."""
    if state.step is None:
        return False
    match plan.node(state.step):
        case Delay() | WaitFor():
            return True
        case Until() | Repeat():
            return state.phase == "resting"
        case Send():
            return state.phase in ("deferred", "held")
        case _:
            return False


def outcome_at(plan: Plan, step: str | None) -> str | None:
    """The outcome if the journey is over on coming to this step, else None."""
    if step is None:
        return COMPLETED
    node = plan.node(step)
    return node.outcome if isinstance(node, Exit) else None


def ask_again(state: JourneyState) -> JourneyState:
    """Put the question of this step anew."""
    return replace(state, phase="ask", ask=state.ask + 1, until=None, reason=None, message_id=None, resumed=False)


def note(state: JourneyState, at: datetime, what: str) -> JourneyState:
    """Keep for the engineer who looks what happened at this step."""
    passed = Passed(at, state.step or "", what)
    return replace(state, trail=(*state.trail, passed)[-TRAIL_LENGTH:])


def _round_done(plan: Plan, state: JourneyState, node: Repeat, at: datetime) -> JourneyState:
    before = state.loops[node.id]
    round = replace(before, done=before.done + 1)
    counted = replace(state, loops={**state.loops, node.id: round})
    if node.times is not None and round.done >= node.times:
        return arrive(plan, note(counted, at, f"{round.done} rounds"), node.next, at)
    return replace(counted, phase="resting", until=at + timedelta(seconds=node.every))


def _has_rested(plan: Plan, state: JourneyState) -> bool:
    match plan.nodes.get(state.step or ""):
        case Delay() | WaitFor():
            return True
        case Until() | Repeat():
            return state.phase == "resting"
        case _:
            return False


def _loops_around(plan: Plan, state: JourneyState, step: str | None) -> dict[str, Round]:
    """The repetitions that go on at a step: those around it, and its own where the step before lies in it."""
    if not state.loops or step is None:
        return {}
    around = {node.id for node in plan.repetitions(step)}
    if state.step is not None and any(node.id == step for node in plan.repetitions(state.step)):
        around.add(step)
    return {id: round for id, round in state.loops.items() if id in around}


def _own(plan: Plan, step: str) -> list[Repeat]:
    return [node] if isinstance(node := plan.node(step), Repeat) else []
