"""Random plans and random facts for the machine."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from domain.campaign.plan import Branch, Delay, Exit, Node, Plan, Send, Subscription, WaitFor
from domain.journey.protocol import Answered, Evaluated, Exited, Fact, Matched, Resumed, Settled, Woke
from domain.sending.policy import Answer, Deferred, Granted, Held, Refused

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def plan_of(*nodes: Node) -> Plan:
    """A plan that starts at the first of its nodes."""
    return Plan(start=nodes[0].id if nodes else None, nodes={node.id: node for node in nodes})


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A small plan without circles: a node leads to later ones, or to the end."""
    count = draw(st.integers(0, 6))
    return plan_of(*(draw(_node(index, count)) for index in range(count)))


@st.composite
def _node(draw: st.DrawFn, index: int, count: int) -> Node:
    following = st.sampled_from([None, *(f"n{later}" for later in range(index + 1, count))])
    seconds = st.integers(1, 7_200)
    id = f"n{index}"
    match draw(st.sampled_from(["delay", "send", "send", "wait_for", "branch", "exit"])):
        case "delay":
            return Delay(id, draw(seconds), draw(following))
        case "send":
            on_capped = draw(st.sampled_from(["skip", "wait", "exit"]))
            return Send(id, "email", "hello", on_capped=on_capped, next=draw(following))
        case "wait_for":
            awaited = tuple(Subscription(f"{id}/{one}", draw(following)) for one in range(draw(st.integers(1, 2))))
            return WaitFor(id, awaited, draw(seconds), draw(following))
        case "branch":
            return Branch(id, tuple(draw(following) for _ in range(draw(st.integers(0, 2)))), draw(following))
        case _:
            return Exit(id, "done")


def answers(at: datetime) -> st.SearchStrategy[Answer]:
    """Anything that the gate may answer."""
    return st.one_of(
        st.just(Granted("m")),
        st.integers(1, 7_200).map(lambda seconds: Deferred(at + timedelta(seconds=seconds), "capped")),
        st.just(Held("campaign_paused")),
        st.sampled_from([Refused("capped"), Refused("expired"), Refused("journey_ended", journey_ended=True)]),
    )


def facts(plan: Plan, at: datetime) -> st.SearchStrategy[Fact]:
    """Anything that the workflow may report, whether it fits or not."""
    subscriptions = [
        subscription.id
        for node in plan.nodes.values()
        if isinstance(node, WaitFor)
        for subscription in node.subscriptions
    ]
    return st.one_of(
        st.just(Woke()),
        st.just(Resumed()),
        st.builds(Matched, st.sampled_from([*subscriptions, "gone/0"]), st.sampled_from(["e1", "e2", "e3"])),
        answers(at).map(Answered),
        st.builds(Settled, st.sampled_from(["sent", "failed", "cancelled", "unknown"]), st.booleans()),
        st.just(Evaluated(None)),
        st.just(Exited("e9")),
    )
