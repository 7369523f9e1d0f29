"""Where a journey goes on whose workflow was lost: at the step that its row names, as far as that is known."""

from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from domain.campaign.plan import Delay, Plan, Repeat, Send, WaitFor
from domain.journey.moves import arrive
from domain.journey.state import JourneyState, Round


class Lost(Struct, frozen=True, omit_defaults=True):
    """What the database knows of a lost journey: its step, the end of its rest, and the last visit of each send.

    The step is None where the flow ends as it begins. `moves` is the last that its row was told.
    """

    step: str | None
    wakes_at: datetime | None = None
    visits: dict[str, int] = field(default_factory=dict)
    moves: int = 0


def recover(plan: Plan, lost: Lost, at: datetime, seed: str) -> JourneyState | None:
    """The state in which it goes on; None where it has no step, or none of the plan, and it begins anew.

    It asks the gate the questions of its last visit once more, and gets the same answers: what was sent is not sent
    again. Of a repetition as many rounds count as done as its sends tell, rather too many than too few. Events that it
    had heard are forgotten.
    """
    if lost.step is None or lost.step not in plan.nodes:
        return None
    node = plan.node(lost.step)
    visits = {**lost.visits, lost.step: lost.visits.get(lost.step, 1)}
    before = JourneyState(step=None, since=at, match_since=at, seed=seed, visits=visits)
    loops = {one.id: Round(at, done=max(0, _rounds(plan, one, lost.visits) - 1)) for one in plan.repetitions(lost.step)}
    if isinstance(node, Repeat):
        done = _rounds(plan, node, lost.visits)
        rests_until = lost.wakes_at or at
        return replace(
            before, step=node.id, phase="resting", until=rests_until, loops={**loops, node.id: Round(at, done=done)}
        )
    again = {**visits, lost.step: visits[lost.step] - 1}
    arrived = replace(arrive(plan, replace(before, visits=again), lost.step, at), loops=loops)
    if isinstance(node, Delay | WaitFor) and lost.wakes_at is not None:
        return replace(arrived, until=lost.wakes_at)
    return arrived


def _rounds(plan: Plan, repetition: Repeat, visits: dict[str, int]) -> int:
    """How many rounds of a repetition have been begun, as its sends tell."""
    within = (
        visits.get(id, 0)
        for id, node in plan.nodes.items()
        if isinstance(node, Send) and repetition in plan.repetitions(id)
    )
    return max(within, default=0)
