"""docs/campaigns.md is true: its documents are valid, its messages are said, and its tables are those of the code."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple, assert_never, get_args

import pytest

from domain.campaign import document_checks, durations
from domain.campaign.audience_fields import MAX_RATE
from domain.campaign.document_warnings import cycle_warnings
from domain.campaign.plan import Split, WaitFor
from domain.campaign.publication import Published, check
from domain.campaign.reference_checks import NONE, OUTCOMES
from domain.campaign.rules import Rules
from domain.campaign.steps.repeat import MAX_ROUNDS
from domain.campaign.steps.split import MAX_WEIGHT
from domain.conditions import cel_compile, expressions
from domain.conditions.cel_roots import ROOTS, VISIBLE, ExpressionScope
from domain.conditions.expressions import compile_condition, compile_key, compile_value
from domain.document import yaml_source
from domain.errors import InvalidDocumentError
from domain.journey import migration, routing, step_facts
from domain.journey.forecast import InFlightPolicy
from domain.journey.protocol import (
    Answered,
    Authorize,
    AuthorizeMembers,
    AwaitMatch,
    AwaitResume,
    Dispatch,
    DispatchMembers,
    Evaluate,
    Evaluated,
    Fact,
    Finish,
    LookedUp,
    LookUp,
    Matched,
    MembersAnswered,
    MembersSettled,
    Perform,
    Performed,
    Settled,
    SleepUntil,
    Woke,
)
from domain.people.account_view import NO_ACCOUNT
from domain.sending.caps_document import parse_caps
from domain.sending.gate_answers import Granted, MembersPage
from domain.tracking.chain import MAX_CHAIN
from tests.domain.campaign.documents import EMAIL, WEBHOOK
from tests.domain.conditions.times import NOW
from tests.domain.journey.machine_driver import MachineDriver
from tests.domain.strategies import NOON

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "campaigns.md").read_text()
PLAIN = {
    "hello.liquid": EMAIL,
    "hook.liquid": WEBHOOK,
}
CHOICE = {"hello.email.liquid": EMAIL, "hello.webhook.liquid": WEBHOOK}
EXAMPLES = {path.name: path.read_text() for path in (ROOT / "examples" / "templates").glob("*.liquid")}
TEMPLATES = PLAIN | CHOICE | EXAMPLES


class Block(NamedTuple):
    """A block of the page: the words after its fence, its text, and the line on which it begins."""

    marks: str
    text: str
    line: int


BLOCKS = [
    Block(found[1], found[2], PAGE.count("\n", 0, found.start()) + 1)
    for found in re.finditer(r"^```(.+)\n((?:.*\n)*?)^```$", PAGE, re.MULTILINE)
]


def marked(*marks: str) -> list[object]:
    """The documents of blocks, for parametrised tests."""
    return [
        pytest.param(document(block.text, block.marks), id=f"line {block.line}")
        for block in BLOCKS
        if block.marks in marks
    ]


def document(text: str, marks: str) -> str:
    """The whole document of a block, which may be a fragment."""
    match marks:
        case "yaml steps":
            indented = "".join(f"  {line}\n" for line in text.splitlines())
            return f"key: fragment\nname: Fragment\nentry: {{event: Started}}\nsteps:\n{indented}"
        case "yaml head":
            return f"key: fragment\nname: Fragment\n{text}steps: [{{id: rest, delay: 1h}}]\n"
        case _:
            return text


def published(text: str) -> Published:
    return check(text, "cart.yaml", TEMPLATES)


def table(heading: str, number: int = 0) -> list[list[str]]:
    """The rows of a table below a heading, without its first two lines."""
    section = PAGE.partition(f"\n{heading}\n")[2]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|\n").split(" | ")] for row in tables[number].splitlines()[2:]]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_block_is_run() -> None:
    kinds = {"yaml", "yaml steps", "yaml head", "yaml caps", "yaml wrong", "yaml warned", "text"}
    assert {block.marks for block in BLOCKS} == kinds


@pytest.mark.parametrize("text", marked("yaml", "yaml steps", "yaml head"))
def test_a_document_can_be_published_without_a_warning(text: str) -> None:
    # A mail about a cart is of no use without the way to it: it fails, of which its author is warned.
    needed = "without `entry.properties.checkout_url`"
    assert [warning for warning in published(text).warnings if needed not in warning.message] == []


@pytest.mark.parametrize("text", marked("yaml caps"))
def test_caps_can_be_applied(text: str) -> None:
    assert parse_caps(text, "caps.yaml")


def test_what_is_wrong_is_said_as_the_page_says() -> None:
    [(wrong, said)] = _with_what_is_said("yaml wrong")
    with pytest.raises(InvalidDocumentError) as refused:
        check(wrong, "cart.yaml", PLAIN)
    assert "\n".join(map(str, refused.value.problems)) + "\n" == said


def test_the_readme_names_the_keys_that_are_allowed() -> None:
    said = re.compile(r": (entry\.evnt: .*)")
    assert said.findall((ROOT / "README.md").read_text()) == said.findall(PAGE)


def test_warnings_are_those_of_the_page() -> None:
    [(warned, said)] = _with_what_is_said("yaml warned")
    found = published(warned)
    cycles = cycle_warnings(found.source, found.definition.key, {found.definition.key: found.rules})
    assert "".join(f"warning: {warning}\n" for warning in [*found.warnings, *cycles]) == said


def _with_what_is_said(marks: str) -> list[tuple[str, str]]:
    return [
        (block.text, following.text)
        for block, following in pairwise(BLOCKS)
        if block.marks == marks and following.marks == "text"
    ]


@pytest.mark.parametrize("text", marked("yaml", "yaml steps"))
@pytest.mark.parametrize("hears", [False, True])
def test_a_journey_comes_to_an_end(text: str, hears: bool) -> None:
    """Every message is granted and sent; the first arm, no case; each event that is waited for comes, or none does."""
    driver = MachineDriver(published(text).plan)
    for turn in range(1_000):
        fact, after = _answer(driver, hears, turn)
        if fact is None:
            return
        driver.tell(fact, after=after)
    raise AssertionError(f"it goes on: {driver.history}")


def _answer(driver: MachineDriver, hears: bool, turn: int) -> tuple[Fact | None, timedelta]:
    at_once = timedelta(0)
    node = driver.plan.nodes.get(driver.state.step or "")
    match command := driver.command():
        case Finish():
            return None, at_once
        case AwaitMatch() if hears and isinstance(node, WaitFor) and not driver.state.matches:
            return Matched(node.subscriptions[-1].id, f"e{turn}"), timedelta(minutes=1)
        case SleepUntil() | AwaitMatch():
            assert driver.state.until is not None
            return Woke(), at_once if driver.state.until < driver.at else driver.state.until - driver.at
        case AwaitResume():
            raise AssertionError("nothing is paused")
        case Authorize(step=step):
            return Answered(Granted(f"m-{step}")), at_once
        case Dispatch():
            return Settled("sent", journey_ended=False), at_once
        case AuthorizeMembers(step=step):
            return MembersAnswered(MembersPage((f"m-{step}",))), at_once
        case DispatchMembers():
            return MembersSettled(("sent",), journey_ended=False), at_once
        case Evaluate():
            # A repetition by a condition ends in its third round.
            rounds = sum(round.done for round in driver.state.loops.values())
            return Evaluated(0 if isinstance(node, Split) or rounds >= 2 else None), at_once
        case LookUp(attempt=ask):
            return LookedUp(driver.at + timedelta(hours=1) if ask == 1 else driver.at), at_once
        case Perform():
            return Performed(journey_ended=False), at_once
        case _:
            assert_never(command)


def test_expressions_see_what_the_page_says() -> None:
    seen = {
        "`entry.where`": (ExpressionScope.ENTRY_WHERE,),
        "`entry.key`": (ExpressionScope.ENTRY_KEY,),
        "`where` of an `audience`": (ExpressionScope.AUDIENCE_WHERE,),
        "`where` of an exit, a goal, a `wait_for`, an `until`": (
            ExpressionScope.EXIT_WHERE,
            ExpressionScope.WAIT_WHERE,
        ),
        "`branch` and `until`: `when`; `cel`": (ExpressionScope.BRANCH_WHEN, ExpressionScope.VALUE),
        "`delay`: `date`": (ExpressionScope.DELAY_DATE,),
        "`where`, `of` and `by` of a [computed trait](computed.md)": (ExpressionScope.COMPUTED,),
        "`where` of a [segment](segments.md), `when` of a [stage](lifecycle.md)": (ExpressionScope.SEGMENT_WHERE,),
    }
    rows = {where: tuple(words(sees)) for where, sees in table("## Expressions")}
    assert rows == {where: VISIBLE[places[0]] for where, places in seen.items()}
    assert all(VISIBLE[place] == VISIBLE[places[0]] for places in seen.values() for place in places)
    assert sorted(place for places in seen.values() for place in places) == sorted(ExpressionScope)


def test_roots_have_the_fields_that_the_page_says() -> None:
    fields = {root: words(has) for roots, has in table("## Expressions", 1) for root in words(roots)}
    assert fields == {root: list(types) for root, types in ROOTS.items()}


def test_the_outcomes_of_messages_are_those_of_the_page() -> None:
    said = re.search(r"`journey\.messages\.X` is what became of the step's last message: ([^.]*)\.", PAGE)
    assert said is not None
    assert set(words(said[1])) == set(OUTCOMES)
    assert NONE == step_facts.NONE


def test_the_gate_knows_the_reasons_of_the_page() -> None:
    policy = (ROOT / "domain" / "sending" / "policy.py").read_text()
    reasons = [words(row[0])[0] for row in table("### send")]
    # In the order of the gate.
    places = [
        policy.index(f'"{reason}"', policy.index("def check_journey")) for reason in reasons if reason not in _ELSEWHERE
    ]
    assert places == sorted(places)
    assert set(re.findall(r'(?:_refused|_deferred|Held|Objection)\(\s*"(\w+)"', policy)) <= set(reasons)


# Reasons that `decide` does not name itself.
_ELSEWHERE = (
    "not_needed",
    "over_budget",
    "left_account",
    "unreachable",
    "address_changed",
    "suppressed",
    "no_consent",
    "on_hold",
    "provider_paused",
    "send_window",
    "legal_hours",
    "warm_up",
    "no_provider",
)


def test_the_limits_are_those_of_the_page() -> None:
    assert dict(map(tuple, table("## Limits"))) == {  # type: ignore[arg-type]  # rows of two
        "a file": f"{yaml_source.MAX_SIZE // 1024} KB",
        "steps": f"{document_checks.MAX_STEPS}",
        "durations": f"1s to {durations.format_duration(durations.MAX_SECONDS)}",
        "rounds, also of repetitions within each other together": f"{MAX_ROUNDS:,}",
        "weights": f"{MAX_WEIGHT:,}",
        "an expression": f"{cel_compile.MAX_LENGTH:,} characters",
        "a key": f"{expressions.MAX_KEY_LENGTH} characters",
        "journeys of a person in a campaign at once, under different keys": f"{routing.MAX_ACTIVE}",
        "journeys that start each other by `emit_event` or a change": f"{MAX_CHAIN}",
        "users of an audience a second": f"{MAX_RATE:,}",
    }


def test_why_journeys_stay_and_what_becomes_of_those_in_flight() -> None:
    section = "## Changing a running campaign"
    policies = [words(row[0])[0] for row in table(section)]
    assert policies == list(get_args(InFlightPolicy))
    reasons = [words(row[0])[0] for row in table(section, 1)]
    assert reasons == [
        migration.STEP_REMOVED,
        migration.KIND_CHANGED,
        migration.REPETITION_CHANGED,
        migration.ENTRY_ACCOUNT_CHANGED,
        migration.ENTRY_KEY_CHANGED,
    ]


# People as deployments have them: most have not said anything of consent, and many lack any one trait.
TAKES_ALL = {"email": True, "webhook": True}
PEOPLE: list[dict[str, Any]] = [
    {"traits": {}, "consent": TAKES_ALL, "stage": None},
    {"traits": {"plan": "trial", "email": "a@example.com"}, "consent": TAKES_ALL, "stage": "lead"},
    {"traits": {"plan": "trial"}, "consent": {"email": False, "webhook": True}, "stage": None},
    {"traits": {"plan": "team", "tier": "gold", "setup": "done"}, "consent": TAKES_ALL, "stage": None},
    {"traits": {"plan": "team", "visits": 2.0, "nudges": 1.0}, "consent": TAKES_ALL, "stage": ""},
]
PROPERTIES: list[dict[str, Any]] = [
    {},
    {"value": 120.5, "cart_id": "c1", "trial_id": 7, "sku": "s1", "kind": "offer", "after": "team"},
    {"value": 120, "cart_id": 42.0, "trial_id": "t", "sku": "s1", "kind": "other", "after": False, "message_id": "m1"},
]
JOURNEY = {"arms": {"offer": "plain"}, "steps": {"told": 1}, "messages": {"nudge": "opened"}, "entered_at": NOON}


def _worlds() -> Iterator[dict[str, Any]]:
    for number, (person, properties) in enumerate(product(PEOPLE, PROPERTIES)):
        known = {"user_id": f"u{number}", "consent_given": {}, "created_at": NOON, **person}
        happened = {"type": "track", "name": "Cart Abandoned", "user_id": f"u{number}", "anonymous_id": None}
        event = {**happened, "message_id": "m", "properties": properties, "context": {}, "timestamp": NOON}
        yield {"profile": known, "account": NO_ACCOUNT, "event": event, "entry": event, "journey": JOURNEY}


def _conditions(rules: Rules) -> Iterator[tuple[str, ExpressionScope]]:
    if rules.entry.where is not None:
        yield rules.entry.where, ExpressionScope.ENTRY_WHERE
    if rules.entry.audience is not None:
        yield rules.entry.audience.where, ExpressionScope.AUDIENCE_WHERE
    goal = [rules.goal] if rules.goal is not None else []
    wheres = [rule.where for rule in (*rules.exits, *rules.subscriptions.values())] + [rule.where for rule in goal]
    yield from ((where, ExpressionScope.EXIT_WHERE) for where in wheres if where is not None)
    for conditions in rules.branches.values():
        yield from ((condition, ExpressionScope.BRANCH_WHEN) for condition in conditions)


@pytest.mark.parametrize("text", marked("yaml", "yaml steps", "yaml head"))
def test_conditions_hold_for_some_people_and_values_are_worked_out(text: str) -> None:
    rules = published(text).rules
    for condition, place in _conditions(rules):
        seen = [compile_condition(condition, place).evaluate(NOW, **_seen(world, place)) for world in _worlds()]
        assert any(outcome.holds for outcome in seen), f"{condition} lets nobody in: {seen}"
        if place is ExpressionScope.AUDIENCE_WHERE:
            assert [outcome.error for outcome in seen if outcome.error] == [], condition
            assert not all(outcome.holds for outcome in seen), condition
    computed = [
        text
        for rule in rules.actions.values()
        for values in (getattr(rule, "traits", None), getattr(rule, "properties", None))
        if values is not None
        for text in values.computed.values()
    ]
    for text_of_value in computed:
        value = compile_value(text_of_value, ExpressionScope.VALUE)
        assert any(value.evaluate(NOW, **_seen(world, ExpressionScope.VALUE)).error is None for world in _worlds()), (
            text_of_value
        )
    if rules.entry.key is not None:
        key = compile_key(rules.entry.key)
        assert any(key.value(NOW, **_seen(world, ExpressionScope.ENTRY_KEY)) for world in _worlds()), rules.entry.key


def _seen(world: dict[str, Any], place: ExpressionScope) -> dict[str, Any]:
    return {root: world[root] for root in VISIBLE[place]}
