"""The compiled campaign: nodes by step id, each naming the next step.

A journey carries it. It holds only what a journey needs to go on: conditions and templates stay with the published
version in the database.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple, Self, assert_never

from msgspec import Struct, field
from msgspec.structs import replace

# The choice at a full cap, and whether the message is exempt from caps.
OnCapped = Literal["skip", "wait", "exit"]
MessagePriority = Literal["normal", "high"]
# The reports about a message after which no fallback is needed.
Reaction = Literal["delivered", "opened", "clicked"]
# In place of a channel: the channels to which the person reacts most, first.
PREFERRED: Final = "preferred"


class Delay(Struct, frozen=True, tag="delay", tag_field="kind", omit_defaults=True):
    """Rest for `seconds`, plus a part of `spread` seconds that is stable for a user."""

    id: str
    seconds: int
    next: str | None = None
    spread: int = 0


class Until(Struct, frozen=True, tag="until", tag_field="kind", omit_defaults=True):
    """Rest until a local time or a date, which is computed outside the workflow.

    `past` is the next step if the date is past when the step is reached, or missing; `unreadable` the next step if the
    value is not a date.
    """

    id: str
    next: str | None = None
    past: str | None = None
    unreadable: str | None = None


class Message(Struct, frozen=True, omit_defaults=True):
    """A step that sends, through the gate.

    `expires` is in seconds from reaching the step. A step that has a choice goes by the first of `channel` and `others`
    that reaches the person, the best for them first if it `is_preferred`; each has a template of its own. With
    `at_once`, a message that would have to wait does not go.
    """

    id: str
    channel: str
    template: str
    category: str = "marketing"
    expires: int = 7 * 86_400
    on_capped: OnCapped = "skip"
    next: str | None = None
    priority: MessagePriority = "normal"
    others: tuple[str, ...] = ()
    is_preferred: bool = False
    at_once: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels, in the author's order."""
        return (self.channel, *self.others)

    @property
    def has_choice(self) -> bool:
        """Whether the channel is chosen for each person."""
        return bool(self.others) or self.is_preferred

    def by(self, channel: str) -> Self:
        """Return the step as if it had this channel alone, with the template for it."""
        if not self.has_choice:
            return self
        template = template_for(self.template, channel)
        return replace(self, channel=channel, template=template, others=(), is_preferred=False)


def template_for(name: str, channel: str) -> str:
    """Return the name of the template of a channel, for a step that has several."""
    return f"{name}.{channel}"


class Fallback(Struct, frozen=True):
    """The rest before a message by another channel.

    It ends `after` seconds since the last message. The reaction `unless` makes it needless.
    """

    wait: str
    after: int
    unless: Reaction


class Send(Message, frozen=True, tag="send", tag_field="kind", omit_defaults=True):
    """One message to the person of the journey.

    One with a `fallback` rests after a message, if another channel is left. `fallback_of` is the step whose message the
    fallback follows.
    """

    fallback: Fallback | None = None
    fallback_of: str | None = None


class SendMembers(Message, frozen=True, kw_only=True, tag="send_members", tag_field="kind", omit_defaults=True):
    """One message to each member of the journey's account with this role."""

    role: str


class Subscription(Struct, frozen=True, omit_defaults=True):
    """One event that a `wait_for` listens to, with a unique id: `{step}/{index}`."""

    id: str
    next: str | None = None


def step_of_subscription(id: str) -> str:
    """Return the step whose subscription has this id."""
    return id.rpartition("/")[0]


class WaitFor(Struct, frozen=True, tag="wait_for", tag_field="kind", omit_defaults=True):
    """Rest until the first subscription matches, at most for `timeout` seconds."""

    id: str
    subscriptions: tuple[Subscription, ...]
    timeout: int
    on_timeout: str | None = None


class Way(NamedTuple):
    """A way on from a fork: the next step, and its name in the history, if any."""

    next: str | None
    label: str | None


class Fork(Struct, frozen=True, omit_defaults=True):
    """A step whose way is decided outside the workflow: an index, None by default."""

    id: str

    @abstractmethod
    def ways(self) -> tuple[Way, ...]:
        """Return the ways by their index."""

    @abstractmethod
    def default_way(self) -> Way | None:
        """Return the way without an index; None if there is always an index."""


class Branch(Fork, frozen=True, tag="branch", tag_field="kind", omit_defaults=True):
    """Conditions evaluated outside the workflow; the first that holds selects a case."""

    cases: tuple[str | None, ...]
    otherwise: str | None = None

    def ways(self) -> tuple[Way, ...]:
        return tuple(Way(next, f"case {number}") for number, next in enumerate(self.cases, start=1))

    def default_way(self) -> Way:
        return Way(self.otherwise, "otherwise")


class Arm(Struct, frozen=True, omit_defaults=True):
    """An arm of a split."""

    name: str
    next: str | None = None


class Split(Fork, frozen=True, tag="split", tag_field="kind", omit_defaults=True):
    """Weighted arms, drawn outside the workflow; stable for a user and seed."""

    arms: tuple[Arm, ...]

    def ways(self) -> tuple[Way, ...]:
        return tuple(Way(arm.next, f"arm {arm.name}") for arm in self.arms)

    def default_way(self) -> None:
        return None


class Repeat(Fork, frozen=True, tag="repeat", tag_field="kind", omit_defaults=True):
    """Repeat the steps from `body` on, with `every` seconds between two rounds.

    The steps lead back here. There are at most `times` rounds, any number for None. `until` is the subscription that
    ends it at once, at any step of the body. `checks` says that a condition is evaluated before each round and may end
    it.
    """

    body: str
    every: int
    times: int | None = None
    until: str | None = None
    checks: bool = False
    next: str | None = None

    def ways(self) -> tuple[Way, ...]:
        return (Way(self.next, "over by its condition"),)

    def default_way(self) -> Way:
        return Way(self.body, None)


class Act(Struct, frozen=True, tag="act", tag_field="kind", omit_defaults=True):
    """Do something at once. `action` is the kind of the step."""

    id: str
    action: str
    next: str | None = None


class Exit(Struct, frozen=True, tag="exit", tag_field="kind", omit_defaults=True):
    """End the journey with this outcome."""

    id: str
    outcome: str


Node = Delay | Until | Send | SendMembers | WaitFor | Branch | Split | Repeat | Act | Exit


def fill_channels(plan: "Plan", by_template: Mapping[str, Sequence[str]]) -> "Plan":
    """Give steps that name no channels those that their template has files for."""
    filled = {
        id: replace(node, channel=channels[0], others=tuple(channels[1:]))
        for id, node in plan.nodes.items()
        if isinstance(node, Message) and node.channel == PREFERRED and (channels := by_template.get(node.template))
    }
    return replace(plan, nodes={**plan.nodes, **filled}) if filled else plan


def list_ways(node: Node) -> Iterator[tuple[str | None, str]]:
    """Iterate over the steps that may follow, each with the name of the way to it.

    None is where the flow ends.
    """
    match node:
        case Delay(next=next) | SendMembers(next=next) | Act(next=next):
            yield next, ""
        case Send(next=next, fallback=fallback):
            yield next, ""
            if fallback is not None:
                yield fallback.wait, "fallback"
        case Until(next=next, past=past, unreadable=unreadable):
            yield from ((next, ""), (past, "past"), (unreadable, "unreadable"))
        case WaitFor(subscriptions=subscriptions, on_timeout=on_timeout):
            numbers = [""] if len(subscriptions) == 1 else [f" {place}" for place in range(1, len(subscriptions) + 1)]
            yield from (
                (subscription.next, f"event{number}")
                for subscription, number in zip(subscriptions, numbers, strict=True)
            )
            yield on_timeout, "timeout"
        case Branch(cases=cases, otherwise=otherwise):
            yield from ((case, f"case {place}") for place, case in enumerate(cases, start=1))
            yield otherwise, "otherwise"
        case Split(arms=arms):
            yield from ((arm.next, arm.name) for arm in arms)
        case Repeat(body=body, next=next):
            yield from ((body, "again"), (next, "done"))
        case Exit():
            return
        case _:
            assert_never(node)


def find_longest_rest(node: Node) -> int:
    """Return the most seconds that a step lasts by its own rule; 0 if data decides."""
    match node:
        case Delay(seconds=seconds, spread=spread):
            return seconds + spread
        case WaitFor(timeout=timeout):
            return timeout
        case Repeat(every=every, times=times):
            return every * (times or 1)
        case Send(fallback=fallback) if fallback is not None:
            return fallback.after
        case _:
            return 0


def followers(node: Node) -> Iterator[str | None]:
    """Iterate over the steps that may follow; None where the flow ends."""
    return (following for following, _ in list_ways(node))


class Plan(Struct, frozen=True, omit_defaults=True):
    """The nodes by id and the first of them; None where the flow ends.

    `loops` names the innermost repetition of each step within one. At `ends_at` the journey ends at any step. With
    `retimes`, a message that a pause held up expires as if its step were reached at the resumption.
    """

    start: str | None
    nodes: dict[str, Node]
    loops: dict[str, str] = field(default_factory=dict)
    ends_at: datetime | None = None
    retimes: bool = False

    def node(self, step: str) -> Node:
        """Return the node of a step. Raises KeyError for an unknown step."""
        return self.nodes[step]

    def repetitions(self, step: str) -> Iterator[Repeat]:
        """List the repetitions around a step, the innermost first."""
        while (enclosing := self.loops.get(step)) is not None:
            node = self.nodes[enclosing]
            if not isinstance(node, Repeat):
                raise TypeError(f"step {step} repeats with {enclosing}, which is not a repetition")
            yield node
            step = enclosing

    def find_first_send(self) -> Send | None:
        """Return the first message; None if a step before it may lead elsewhere."""
        step, passed = self.start, set[str]()
        # The rounds of a repetition come back to it.
        while step is not None and step not in passed:
            passed.add(step)
            match node := self.node(step):
                case Send():
                    return node
                case Delay(next=next) | Until(next=next) | Act(next=next):
                    step = next
                case Repeat(body=body, checks=False):
                    step = body
                case _:
                    return None
        return None
