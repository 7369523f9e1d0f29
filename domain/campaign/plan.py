"""A campaign compiled: a flat map of nodes by step id, each naming the step that follows it.

This is what a journey carries. It says where the flow goes and how long it rests, and holds nothing that a journey
does not need to find its way: conditions and templates stay with the published version in the database.
"""

from msgspec import Struct


class Delay(Struct, frozen=True, tag="delay", tag_field="kind", omit_defaults=True):
    """Rest for a fixed time."""

    id: str
    seconds: int
    next: str | None = None


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


class Exit(Struct, frozen=True, tag="exit", tag_field="kind", omit_defaults=True):
    """The journey ends here with this outcome."""

    id: str
    outcome: str


Node = Delay | Send | WaitFor | Branch | Exit


class Plan(Struct, frozen=True, omit_defaults=True):
    """The nodes by id and the first of them; None where the flow ends."""

    start: str | None
    nodes: dict[str, Node]

    def node(self, step: str) -> Node:
        """The node of a step. Raises KeyError for a step that this plan does not have."""
        return self.nodes[step]
