from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings

from domain.campaign.compile import compile_plan
from domain.campaign.plan import (
    Act,
    Arm,
    Branch,
    Delay,
    Exit,
    Node,
    Plan,
    Repeat,
    Send,
    SendMembers,
    Split,
    Subscription,
    Until,
    WaitFor,
)
from domain.campaign.rules import Rules
from tests.domain.campaign.documents import HEAD, campaign, documents, publish
from tests.proofs import rounds


def successors(node: Node) -> set[str]:
    """The nodes that the flow may come to next."""
    following: list[str | None] = []
    match node:
        case Delay() | Send() | Act():
            following = [node.next]
        case Until():
            following = [node.next, node.past, node.unreadable]
        case Split():
            following = [arm.next for arm in node.arms]
        case Repeat():
            following = [node.body, node.next if node.until is not None or node.checks else None]
        case WaitFor():
            following = [*(subscription.next for subscription in node.subscriptions), node.on_timeout]
        case Branch():
            following = [*node.cases, node.otherwise]
        case Exit():
            pass
    return {step for step in following if step is not None}


def reached(plan: Plan) -> set[str]:
    """The nodes that the flow can come to. Raises KeyError where one is named that is not there."""
    leads = {id: successors(node) for id, node in plan.nodes.items()}
    counted = {id: node.next for id, node in plan.nodes.items() if isinstance(node, Repeat) and node.times is not None}
    while True:
        found = _from(plan.start, leads)
        # The last round is over where one is.
        over = {
            id: next
            for id, next in counted.items()
            if next not in {None, *leads[id]} and any(id in leads[step] for step in found if _is_in(plan, step, id))
        }
        if not over:
            return found
        for id, next in over.items():
            leads[id] |= set() if next is None else {next}


def _from(start: str | None, leads: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    ahead = set() if start is None else {start}
    while ahead:
        found |= ahead
        ahead = set().union(*(leads[step] for step in ahead)) - found
    return found


def _is_in(plan: Plan, step: str, loop: str) -> bool:
    return any(node.id == loop for node in plan.repetitions(step))


def has_cycles_without_a_repetition(plan: Plan) -> bool:
    ahead = {id: successors(node) for id, node in plan.nodes.items() if not isinstance(node, Repeat)}
    while ends := [id for id, following in ahead.items() if not following & set(ahead)]:
        for id in ends:
            del ahead[id]
    return bool(ahead)


def innermost(steps: list[Any], loop: str | None = None) -> Iterator[tuple[str, str | None]]:
    """Each step that has an id, and the innermost repetition around it, read from the document."""
    for step in steps:
        if "id" in step:
            yield step["id"], loop
        within = step["id"] if "repeat" in step else loop
        lists = [case["do"] for case in step.get("branch", ())]
        lists += [one["do"] for one in step.get("wait_for", {}).get("events", ())]
        lists += [do for key, do in step.items() if isinstance(do, list) and key != "branch"]
        for block in lists:
            yield from innermost(block, within)


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
    assert plan.nodes["w"] == WaitFor("w", (Subscription("w/0", "next"),), 86_400, on_timeout="next")


def test_a_message_to_members_is_a_node_of_its_own() -> None:
    written = "  - {id: tell, send: {channel: email, template: hello, to: {role: admin}}}\n"
    plan = compile_plan(
        publish(f"key: a\nname: A\nentry: {{event: Made, account: true}}\nsteps:\n{written}").definition
    )
    assert plan.nodes == {"tell": SendMembers(id="tell", channel="email", template="hello", role="admin")}


def test_an_exit_without_an_id_is_named_after_its_place() -> None:
    assert list(compile_plan(campaign("  - {id: a, delay: 1h}\n  - {exit: done}\n")).nodes) == ["a", "steps.2"]


def test_delays_of_every_form() -> None:
    plan = compile_plan(
        campaign("""\
  - {id: random, delay: {for: 1h..3h}}
  - {id: clock, delay: {until: "09:00", days: [mon]}}
  - {id: date, delay: {date: profile.traits.ends_at, offset: -3d}}
  - {id: skipping, delay: {date: profile.traits.ends_at, if_past: go_on}}
  - {id: careless, delay: {date: profile.traits.ends_at, if_past: go_on, if_unreadable: go_on}}
  - {id: skipped, delay: 1h}
""")
    )
    assert list(plan.nodes.values()) == [
        Delay("random", seconds=3_600, spread=7_200, next="clock"),
        Until("clock", next="date", past="date", unreadable="date"),
        Until("date", next="skipping", past="careless", unreadable="careless"),
        Until("skipping", next="careless", past="careless", unreadable="skipped"),
        Until("careless", next="skipped", past="skipped", unreadable="skipped"),
        Delay("skipped", seconds=3_600),
    ]


def test_what_is_skipped_at_the_end_of_a_list_is_followed_by_what_follows_the_list() -> None:
    plan = compile_plan(
        campaign("""\
  - id: fork
    branch:
      - when: "true"
        do: [{id: date, delay: {date: profile.traits.x, if_past: skip_next}}, {exit: too-late}]
  - {id: last, delay: 1h}
""")
    )
    assert plan.nodes["date"] == Until("date", next="fork.branch.1.2", past="last", unreadable="last")


def test_each_of_several_events_has_its_way() -> None:
    plan = compile_plan(
        campaign("""\
  - id: heard
    wait_for:
      events:
        - {event: Paid, do: [{exit: paid}]}
        - {event: Seen}
      timeout: 1d
    on_timeout: [{id: late, delay: 1h}]
  - {id: last, delay: 1h}
""")
    )
    assert plan.nodes["heard"] == WaitFor(
        "heard",
        subscriptions=(Subscription("heard/0", "heard.events.1.1"), Subscription("heard/1", "last")),
        timeout=86_400,
        on_timeout="late",
    )
    assert plan.nodes["heard.events.1.1"] == Exit("heard.events.1.1", "paid")
    assert plan.nodes["late"] == Delay("late", seconds=3_600, next="last")


def test_rounds_lead_back_to_their_repetition() -> None:
    plan = compile_plan(
        campaign("""\
  - id: weekly
    repeat: {every: 7d, times: 4, until: {event: Paid}}
    do:
      - id: offer
        split: {arms: {mail: 1, none: 0}}
        mail:
          - id: daily
            repeat: {every: 1d, until: {when: profile.traits.done == true}}
            do: [{id: set, set_stage: asked}]
        none: []
  - {id: told, emit_event: {event: Asked}}
  - {id: kept, update_profile: {asked: true}}
""")
    )
    assert plan == Plan(
        start="weekly",
        nodes={
            "weekly": Repeat("weekly", body="offer", every=604_800, times=4, until="weekly/0", next="told"),
            "offer": Split("offer", (Arm("mail", "daily"), Arm("none", "weekly"))),
            "daily": Repeat("daily", body="set", every=86_400, checks=True, next="weekly"),
            "set": Act("set", "set_stage", next="daily"),
            "told": Act("told", "emit_event", next="kept"),
            "kept": Act("kept", "update_profile"),
        },
        loops={"offer": "weekly", "daily": "weekly", "set": "daily"},
    )


@pytest.mark.parametrize(("at_end", "ends_at"), [("exit", datetime(2027, 1, 1, tzinfo=UTC)), ("drain", None)])
def test_only_a_schedule_that_ends_journeys_is_in_the_plan(at_end: str, ends_at: datetime | None) -> None:
    schedule = f"schedule: {{ends_at: 2027-01-01T00:00:00Z, at_end: {at_end}}}\n"
    assert publish(f"{HEAD}{schedule}steps: [{{id: a, delay: 1h}}]\n").plan.ends_at == ends_at


@pytest.mark.parametrize(("overdue", "retimes"), [("send", False), ("skip", False), ("retime", True)])
def test_the_plan_says_whether_held_messages_are_retimed(overdue: str, *, retimes: bool) -> None:
    assert publish(f"{HEAD}on_resume: {overdue}\nsteps: [{{id: a, delay: 1h}}]\n").plan.retimes is retimes


@pytest.mark.prove
@given(documents())
@settings(max_examples=rounds(20, 400))
def test_a_random_document_compiles_to_a_sound_plan(text: str) -> None:
    published = publish(text)
    plan = published.plan
    assert all(node.id == id for id, node in plan.nodes.items())
    assert reached(plan) == set(plan.nodes), "what is named exists, and what exists is reached"
    assert not has_cycles_without_a_repetition(plan)
    loops = dict(innermost(yaml.safe_load(text)["steps"]))
    assert {id: plan.loops.get(id) for id in loops} == loops
    for id in set(plan.nodes) - set(loops):
        # An exit without an id is named after its list.
        holder = id.partition(".")[0]
        within = holder if isinstance(plan.nodes.get(holder), Repeat) else plan.loops.get(holder)
        assert plan.loops.get(id) == within


@pytest.mark.prove
@given(documents())
@settings(max_examples=rounds(20, 400))
def test_plan_and_rules_name_the_same(text: str) -> None:
    published = publish(text)
    plan, rules = published.plan, published.rules
    heard: set[str] = set()
    conditions: dict[str, int] = {}
    for id, node in plan.nodes.items():
        if isinstance(node, WaitFor):
            heard |= {one.id for one in node.subscriptions}
        if isinstance(node, Branch):
            conditions[id] = len(node.cases)
        if isinstance(node, Repeat):
            heard |= set() if node.until is None else {node.until}
            conditions |= {id: 1} if node.checks else {}
    assert set(rules.subscriptions) == heard
    assert {id: len(texts) for id, texts in rules.branches.items()} == conditions
    of_kind = {kind: {id for id, node in plan.nodes.items() if isinstance(node, kind)} for kind in (Act, Split, Until)}
    assert (set(rules.actions), set(rules.splits), set(rules.delays)) == (of_kind[Act], of_kind[Split], of_kind[Until])
    assert all(
        list(rules.splits[id].arms) == [arm.name for arm in node.arms]
        for id, node in plan.nodes.items()
        if isinstance(node, Split)
    )


@pytest.mark.prove
@given(documents())
@settings(max_examples=rounds(20, 400))
def test_a_version_is_the_same_after_the_database(text: str) -> None:
    published = publish(text)
    assert msgspec.json.decode(msgspec.json.encode(published.rules), type=Rules) == published.rules
    assert msgspec.json.decode(msgspec.json.encode(published.plan), type=Plan) == published.plan
