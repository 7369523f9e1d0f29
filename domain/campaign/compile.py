"""Compile nested lists of steps to a flat plan.

A step is followed by the next one in its list; the last of a list is followed by whatever follows the step that holds
the list. So every list is compiled with the id of the step after it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import assert_never

from msgspec import Struct
from msgspec.structs import replace

from domain.campaign.definition import CampaignDocument
from domain.campaign.delays.kind import DelayForm, StepLinks
from domain.campaign.plan import (
    PREFERRED,
    Act,
    Arm,
    Branch,
    Delay,
    Exit,
    Fallback,
    Node,
    Plan,
    Repeat,
    Send,
    SendMembers,
    Split,
    Subscription,
    WaitFor,
)
from domain.campaign.steps.action import ActionStep
from domain.campaign.steps.branch import BranchStep
from domain.campaign.steps.delay import DelayStep
from domain.campaign.steps.exit import ExitStep
from domain.campaign.steps.kinds import Step, Steps, step_kind
from domain.campaign.steps.repeat import RepeatStep
from domain.campaign.steps.send import FALLBACK, WAIT, FallbackSpec, SendStep
from domain.campaign.steps.split import SplitStep
from domain.campaign.steps.wait_for import WaitStep
from domain.channels.kinds import CHANNELS
from domain.sending.fallbacks import IMPLYING


class Outlined(Struct, frozen=True):
    """A step of a document with its kind, the step around it, and its list there.

    `block` is on_event, on_timeout, otherwise, do, the name of an arm, or `branch.1` or `events.1` and so on.
    """

    id: str
    kind: str
    within: str | None
    block: str | None


def compile_plan(campaign: CampaignDocument) -> Plan:
    """Compile a checked document: unique ids, every step reachable."""
    block = _root_block(campaign)
    placed = list(block.nodes())
    schedule = campaign.schedule
    return Plan(
        start=block.start,
        nodes={one.node.id: one.node for one in placed},
        loops={one.node.id: one.loop for one in placed if one.loop is not None},
        ends_at=schedule.ends_at if schedule.at_end == "exit" else None,
        retimes=campaign.resumption.overdue == "retime",
    )


def outline(campaign: CampaignDocument) -> list[Outlined]:
    """List the steps of a checked document in order, each with its place."""
    return [Outlined(one.node.id, one.kind, one.within, one.block) for one in _root_block(campaign).nodes()]


def subscription_id(step: str, index: int) -> str:
    """Return the id of one of the events that a step waits for."""
    return f"{step}/{index}"


def list_reports(step: str, spec: FallbackSpec) -> list[tuple[str, str]]:
    """List the subscriptions of the rest before a fallback, with their events."""
    names = dict.fromkeys(
        name for kind in CHANNELS.values() for reaction, name in kind.list_events() if reaction in IMPLYING[spec.unless]
    )
    return [(subscription_id(f"{step}.{WAIT}", index), name) for index, name in enumerate(names)]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A node with the kind of its step, the innermost repetition, and its place."""

    node: Node
    kind: str
    loop: str | None
    within: str | None
    block: str | None


@dataclass(frozen=True, slots=True)
class _Place:
    """The id of a step, the ids of the next two steps, and the repetition around them."""

    id: str
    next: str | None
    after_next: str | None
    loop: str | None


@dataclass(frozen=True, slots=True)
class _Block:
    """A list of steps, the step that follows it, its innermost repetition, its place."""

    steps: Steps
    after: str | None
    loop: str | None = None
    within: str | None = None
    block: str | None = None

    @property
    def start(self) -> str | None:
        """The first step of the list; if it is empty, the step that follows the list."""
        return self._id(0)

    def nodes(self) -> Iterator[_Placed]:
        """Compile all steps, including those in nested lists."""
        for index, step in enumerate(self.steps):
            at = _Place(self._step_id(index), self._id(index + 1), self._id(index + 2), self.loop)
            node, blocks = _compile_step(step, at)
            yield _Placed(node, str(step_kind(step)), self.loop, self.within, self.block)
            if isinstance(node, Send) and isinstance(step, SendStep) and step.send.fallback is not None:
                yield from _fallback(node, step.send.fallback, self.loop)
            for block in blocks:
                yield from block.nodes()

    def _id(self, index: int) -> str | None:
        return self._step_id(index) if index < len(self.steps) else self.after

    def _step_id(self, index: int) -> str:
        # An author's id has no dot, so an id made of the place is unique.
        return self.steps[index].id or f"{self._name}.{index + 1}"

    @property
    def _name(self) -> str:
        return "steps" if self.within is None else f"{self.within}.{self.block}"


def _root_block(campaign: CampaignDocument) -> _Block:
    return _Block(campaign.steps, after=None)


def _compile_step(step: Step, at: _Place) -> tuple[Node, Sequence[_Block]]:
    """Compile a step to its node and the lists of steps within it."""
    match step:
        case DelayStep():
            return _delay(step, at), ()
        case SendStep():
            return _send(step, at), ()
        case WaitStep():
            return _wait(step, at)
        case BranchStep():
            return _branch(step, at)
        case SplitStep():
            return _split(step, at)
        case RepeatStep():
            return _repeat(step, at)
        case ActionStep():
            return Act(id=at.id, action=step.kind, next=at.next), ()
        case ExitStep():
            return Exit(id=at.id, outcome=step.exit), ()
        case _:
            assert_never(step)


def _delay(step: DelayStep, at: _Place) -> Node:
    if isinstance(step.delay, DelayForm):
        return step.delay.node(StepLinks(at.id, at.next, at.after_next))
    return Delay(id=at.id, seconds=step.delay, next=at.next)


def _send(step: SendStep, at: _Place) -> Send | SendMembers:
    spec = step.send
    # Without names, publishing fills in those that the template has files for.
    channel, *others = spec.named_channels or (PREFERRED,)
    if spec.to is not None:
        return SendMembers(
            id=at.id,
            channel=channel,
            template=spec.template,
            category=spec.category,
            priority=spec.priority,
            expires=spec.expires,
            role=spec.to.role,
            next=at.next,
            at_once=spec.at_once,
        )
    fallback = spec.fallback
    return Send(
        id=at.id,
        channel=channel,
        template=spec.template,
        category=spec.category,
        priority=spec.priority,
        expires=spec.expires,
        on_capped=spec.on_capped,
        next=at.next,
        others=tuple(others),
        is_preferred=spec.is_preferred,
        at_once=spec.at_once,
        fallback=None if fallback is None else Fallback(f"{at.id}.{WAIT}", fallback.after, fallback.unless),
    )


def _fallback(first: Send, spec: FallbackSpec, loop: str | None) -> Iterator[_Placed]:
    """Compile the rest after a message, and the next message, which rests again.

    A report in between leads there as well: whether it makes the message needless is decided where the ledger is.
    """
    wait, then = f"{first.id}.{WAIT}", f"{first.id}.{FALLBACK}"
    heard = tuple(Subscription(id=id, next=then) for id, _ in list_reports(first.id, spec))
    rest = WaitFor(id=wait, subscriptions=heard, timeout=spec.after, on_timeout=then)
    yield _Placed(rest, str(WaitStep.kind), loop, first.id, FALLBACK)
    yield _Placed(replace(first, id=then, fallback_of=first.id), SendStep.kind, loop, first.id, FALLBACK)


def _wait(step: WaitStep, at: _Place) -> tuple[Node, Sequence[_Block]]:
    if step.wait_for.events is None:
        blocks = [_Block(step.on_event, at.next, at.loop, at.id, "on_event")]
    else:
        blocks = [
            _Block(awaited.do, at.next, at.loop, at.id, f"events.{number}")
            for number, awaited in enumerate(step.wait_for.events, start=1)
        ]
    on_timeout = _Block(step.on_timeout, at.next, at.loop, at.id, "on_timeout")
    node = WaitFor(
        id=at.id,
        subscriptions=tuple(
            Subscription(id=subscription_id(at.id, index), next=block.start) for index, block in enumerate(blocks)
        ),
        timeout=step.wait_for.timeout,
        on_timeout=on_timeout.start,
    )
    return node, (*blocks, on_timeout)


def _branch(step: BranchStep, at: _Place) -> tuple[Node, Sequence[_Block]]:
    blocks = [
        _Block(case.do, at.next, at.loop, at.id, f"branch.{number}") for number, case in enumerate(step.branch, start=1)
    ]
    otherwise = _Block(step.otherwise, at.next, at.loop, at.id, "otherwise")
    node = Branch(id=at.id, cases=tuple(block.start for block in blocks), otherwise=otherwise.start)
    return node, (*blocks, otherwise)


def _split(step: SplitStep, at: _Place) -> tuple[Node, Sequence[_Block]]:
    blocks = {name: _Block(step.arm(name), at.next, at.loop, at.id, name) for name in step.split.arms}
    return Split(id=at.id, arms=tuple(Arm(name, block.start) for name, block in blocks.items())), tuple(blocks.values())


def _repeat(step: RepeatStep, at: _Place) -> tuple[Node, Sequence[_Block]]:
    until = step.repeat.until
    # The last step of a round leads back to the repetition itself.
    body = _Block(step.do, at.id, loop=at.id, within=at.id, block="do")
    node = Repeat(
        id=at.id,
        body=body.start or at.id,
        every=step.repeat.every,
        times=step.repeat.times,
        until=subscription_id(at.id, 0) if until is not None and until.trigger is not None else None,
        checks=until is not None and until.when is not None,
        next=at.next,
    )
    return node, (body,)
