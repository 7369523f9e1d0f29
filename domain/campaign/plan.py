"""A campaign compiled: a flat map of nodes by step id, each naming the step that follows it.

This is what a journey carries. It says where the flow goes and how long it rests, and holds nothing that a journey
does not need to find its way: conditions and templates stay with the published version in the database.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct, field


class Delay(Struct, frozen=True, tag="delay", tag_field="kind", omit_defaults=True):
    """Rest for a fixed time, or for one between `seconds` and `spread` seconds more that is stable for a user."""

    id: str
    seconds: int
    next: str | None = None
    spread: int = 0


class Until(Struct, frozen=True, tag="until", tag_field="kind", omit_defaults=True):
    """Rest until a local time or a date, which are looked up outside of the workflow.

    `past` is where the flow goes if that lay in the past when the step was reached, or there is no such date;
    `unreadable` where it goes if there is a value that names no date.
    """

    id: str
    next: str | None = None
    past: str | None = None
    unreadable: str | None = None


class Send(Struct, frozen=True, tag="send", tag_field="kind", omit_defaults=True):
    """One message on one channel, through the gate.

    `expires` is in seconds from reaching the step; `on_capped` is "skip", "wait" or "exit".
    """

    id: str
    channel: str
    template: str
    category: str = "marketing"
    expires: int = 7 * 86_400
    on_capped: str = "skip"
    next: str | None = None
    priority: str = "normal"


class Subscription(Struct, frozen=True, omit_defaults=True):
    """One event that a `wait_for` listens to. Its id is unique in the plan: `{step}/{index}`."""

    id: str
    next: str | None = None


class WaitFor(Struct, frozen=True, tag="wait_for", tag_field="kind", omit_defaults=True):
    """Rest until the first of the subscriptions matches, or until `timeout` seconds have passed."""

    id: str
    subscriptions: tuple[Subscription, ...]
    timeout: int
    on_timeout: str | None = None


class Branch(Struct, frozen=True, tag="branch", tag_field="kind", omit_defaults=True):
    """Ordered conditions, evaluated outside of the workflow: the first that holds names the way, else `otherwise`."""

    id: str
    cases: tuple[str | None, ...]
    otherwise: str | None = None


class Arm(Struct, frozen=True, omit_defaults=True):
    """One way of a split."""

    name: str
    next: str | None = None


class Split(Struct, frozen=True, tag="split", tag_field="kind", omit_defaults=True):
    """Weighted arms, drawn outside of the workflow: stable for a user and seed."""

    id: str
    arms: tuple[Arm, ...]


class Repeat(Struct, frozen=True, tag="repeat", tag_field="kind", omit_defaults=True):
    """Go through the steps from `body` on, which lead back here, with `every` seconds between two rounds.

    At most `times` rounds, None for any number. `until` is the id of the subscription that ends it at once, wherever in
    the body the journey rests. `checks` says that a condition is evaluated before each round, and ends it.
    """

    id: str
    body: str
    every: int
    times: int | None = None
    until: str | None = None
    checks: bool = False
    next: str | None = None


class Act(Struct, frozen=True, tag="act", tag_field="kind", omit_defaults=True):
    """Do something at once. `action` is the kind of the step."""

    id: str
    action: str
    next: str | None = None


class Exit(Struct, frozen=True, tag="exit", tag_field="kind", omit_defaults=True):
    """The journey ends here with this outcome."""

    id: str
    outcome: str


Node = Delay | Until | Send | WaitFor | Branch | Split | Repeat | Act | Exit


class Plan(Struct, frozen=True, omit_defaults=True):
    """The nodes by id and the first of them; None where the flow ends.

    `loops` names the innermost repetition that each step within one belongs to. At `ends_at` the journey is over,
    wherever it is. `retimes` says that a message which a pause has held up counts as reached when that is over.
    """

    start: str | None
    nodes: dict[str, Node]
    loops: dict[str, str] = field(default_factory=dict)
    ends_at: datetime | None = None
    retimes: bool = False

    def node(self, step: str) -> Node:
        """The node of a step. Raises KeyError for a step that this plan does not have."""
        return self.nodes[step]

    def repetitions(self, step: str) -> Iterator[Repeat]:
        """The repetitions that a step lies in, the innermost first."""
        while (enclosing := self.loops.get(step)) is not None:
            node = self.nodes[enclosing]
            if not isinstance(node, Repeat):
                raise TypeError(f"step {step} repeats with {enclosing}, which is no repetition")
            yield node
            step = enclosing
