"""From nested lists of steps to a flat plan.

What follows a step is the next one in its list; after the last of a list the flow goes on where the step that holds
the list would have gone on. So every list is compiled with the id of what comes after it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from domain.campaign.definition import BranchStep, Campaign, DelayStep, ExitStep, SendStep, Step, Steps, WaitStep
from domain.campaign.plan import Branch, Delay, Exit, Node, Plan, Send, Subscription, WaitFor


def compile_plan(campaign: Campaign) -> Plan:
    """The plan of a checked document: its ids are unique and all of its steps can be reached."""
    block = _Block(campaign.steps, "steps", None)
    return Plan(start=block.start, nodes={node.id: node for node in block.nodes()})


def subscription_id(step: str, index: int) -> str:
    """The id of one of the events that a step waits for."""
    return f"{step}/{index}"


@dataclass(frozen=True, slots=True)
class _Block:
    """A list of steps, what it is called, and the step that comes after its last one."""

    steps: Steps
    place: str
    after: str | None

    @property
    def start(self) -> str | None:
        """Where the flow enters: the first step, or what comes after where there is none."""
        return self._id(0) if self.steps else self.after

    def nodes(self) -> Iterator[Node]:
        """The nodes of all steps, also of those in lists within."""
        for index, step in enumerate(self.steps):
            following = self._id(index + 1) if index + 1 < len(self.steps) else self.after
            yield from _compiled(step, self._id(index), following)

    def _id(self, index: int) -> str:
        # No id that an author gives has a dot, so that one made of the place is unique.
        return self.steps[index].id or f"{self.place}.{index + 1}"


def _compiled(step: Step, id: str, following: str | None) -> Iterator[Node]:
    match step:
        case DelayStep():
            yield Delay(id=id, seconds=step.delay, next=following)
        case SendStep():
            yield _send(step, following)
        case WaitStep():
            yield from _wait(step, following)
        case BranchStep():
            yield from _branch(step, following)
        case ExitStep():
            yield Exit(id=id, outcome=step.exit)
        case _:
            assert_never(step)


def _send(step: SendStep, following: str | None) -> Send:
    spec = step.send
    return Send(
        id=step.id,
        channel=spec.channel,
        template=spec.template,
        category=spec.category,
        expires=spec.expires,
        on_capped=spec.on_capped,
        next=following,
    )


def _wait(step: WaitStep, following: str | None) -> Iterator[Node]:
    on_event = _Block(step.on_event, f"{step.id}.on_event", following)
    on_timeout = _Block(step.on_timeout, f"{step.id}.on_timeout", following)
    yield WaitFor(
        id=step.id,
        subscriptions=(Subscription(id=subscription_id(step.id, 0), next=on_event.start),),
        timeout=step.wait_for.timeout,
        on_timeout=on_timeout.start,
    )
    yield from on_event.nodes()
    yield from on_timeout.nodes()


def _branch(step: BranchStep, following: str | None) -> Iterator[Node]:
    ways = [
        _Block(case.do, f"{step.id}.branch.{number}", following) for number, case in enumerate(step.branch, start=1)
    ]
    otherwise = _Block(step.otherwise, f"{step.id}.otherwise", following)
    yield Branch(id=step.id, cases=tuple(way.start for way in ways), otherwise=otherwise.start)
    for way in (*ways, otherwise):
        yield from way.nodes()
