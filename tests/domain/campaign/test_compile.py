import msgspec
from hypothesis import given, settings

from domain.campaign.compile import compile_plan
from domain.campaign.plan import (
    Act,
    Branch,
    Delay,
    Exit,
    Node,
    Plan,
    Repeat,
    Send,
    Split,
    Subscription,
    Until,
    WaitFor,
)
from domain.campaign.rules import Rules
from tests.domain.campaign.documents import campaign, documents, publish


def successors(node: Node) -> list[str | None]:
    match node:
        case Delay() | Send() | Act():
            return [node.next]
        case Until():
            return [node.next, node.past]
        case Split():
            return [arm.next for arm in node.arms]
        case Repeat():
            return [node.body, node.next]
        case WaitFor():
            return [*(subscription.next for subscription in node.subscriptions), node.on_timeout]
        case Branch():
            return [*node.cases, node.otherwise]
        case Exit():
            return []


def depth_to_end(plan: Plan, step: str | None, seen: frozenset[str] = frozenset()) -> int:
    """The longest way from a step to an end. Fails on a circle."""
    if step is None:
        return 0
    assert step not in seen
    return 1 + max((depth_to_end(plan, one, seen | {step}) for one in successors(plan.nodes[step])), default=0)


def test_lists_flow_on_where_their_step_flows_on() -> None:
    plan = compile_plan(
        campaign("""\
  - {id: cool-off, delay: 30m}
  - id: reacted
    wait_for: {event: Seen, timeout: 1d}
    on_event: [{exit: engaged}]
    on_timeout:
      - id: fork
        branch:
          - {when: profile.traits.a == 1, do: [{id: a, delay: 1h}]}
          - {when: profile.traits.b == 1, do: []}
          - {when: profile.traits.c == 1, do: [{id: c, delay: 1h}, {exit: c}]}
        otherwise: [{exit: other}]
  - {id: last, send: {channel: email, template: hello, expires: 6h, on_capped: exit}}
""")
    )
    assert plan == Plan(
        start="cool-off",
        nodes={
            "cool-off": Delay(id="cool-off", seconds=1_800, next="reacted"),
            "reacted": WaitFor(
                id="reacted",
                subscriptions=(Subscription(id="reacted/0", next="reacted.on_event.1"),),
                timeout=86_400,
                on_timeout="fork",
            ),
            "reacted.on_event.1": Exit(id="reacted.on_event.1", outcome="engaged"),
            "fork": Branch(id="fork", cases=("a", "last", "c"), otherwise="fork.otherwise.1"),
            "a": Delay(id="a", seconds=3_600, next="last"),
            "c": Delay(id="c", seconds=3_600, next="fork.branch.3.2"),
            "fork.branch.3.2": Exit(id="fork.branch.3.2", outcome="c"),
            "fork.otherwise.1": Exit(id="fork.otherwise.1", outcome="other"),
            "last": Send(id="last", channel="email", template="hello", expires=21_600, on_capped="exit"),
        },
    )


def test_a_wait_without_ways_goes_on_either_way() -> None:
    plan = compile_plan(campaign("  - {id: w, wait_for: {event: Seen, timeout: 1d}}\n  - {id: next, delay: 1h}\n"))
    assert successors(plan.nodes["w"]) == ["next", "next"]


def test_an_exit_without_an_id_is_named_after_its_place() -> None:
    assert list(compile_plan(campaign("  - {id: a, delay: 1h}\n  - {exit: done}\n")).nodes) == ["a", "steps.2"]


@given(documents())
@settings(deadline=None)
def test_a_random_document_compiles_to_a_sound_plan(text: str) -> None:
    published = publish(text)
    plan = published.plan
    assert plan.start in plan.nodes
    assert all(node.id == id for id, node in plan.nodes.items())
    named = {one for node in plan.nodes.values() for one in successors(node)} | {plan.start}
    assert named - {None} == set(plan.nodes), "what is named exists, and what exists is reached"
    assert depth_to_end(plan, plan.start) <= len(plan.nodes)
    waits = [node for node in plan.nodes.values() if isinstance(node, WaitFor)]
    assert {one.id for node in waits for one in node.subscriptions} == set(published.rules.subscriptions)
    branches = {id: node for id, node in plan.nodes.items() if isinstance(node, Branch)}
    assert {id: len(node.cases) for id, node in branches.items()} == {
        id: len(conditions) for id, conditions in published.rules.branches.items()
    }


@given(documents())
@settings(deadline=None)
def test_a_version_is_the_same_after_the_database(text: str) -> None:
    published = publish(text)
    assert msgspec.json.decode(msgspec.json.encode(published.rules), type=Rules) == published.rules
    assert msgspec.json.decode(msgspec.json.encode(published.plan), type=Plan) == published.plan
