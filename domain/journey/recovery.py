"""Recovery of a journey whose workflow was lost, at the step of its row, if known."""

from datetime import datetime

from msgspec import Struct, field
from msgspec.structs import replace

from domain.campaign.plan import Delay, Message, Plan, Repeat, WaitFor
from domain.journey.moves import arrive
from domain.journey.state import JourneyState, Round


class Lost(Struct, frozen=True, omit_defaults=True):
    """A lost journey's row: step, end of the rest, and last visit of each send.

    The step is None for an empty flow. `moves` is the row's last move.
    """

    step: str | None
    wakes_at: datetime | None = None
    visits: dict[str, int] = field(default_factory=dict)
    moves: int = 0


def recover(plan: Plan, lost: Lost, at: datetime, seed: str) -> JourneyState | None:
    """Return the state in which a lost journey continues; None if it begins anew.

    It repeats the requests of its last visit and gets the same answers, so no message is sent twice. The rounds of a
    repetition are inferred from its sends, rather too many than too few. Received events are lost.
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
    """Count the begun rounds of a repetition by its sends."""
    within = (
        visits.get(id, 0)
        for id, node in plan.nodes.items()
        if isinstance(node, Message) and repetition in plan.repetitions(id)
    )
    return max(within, default=0)
