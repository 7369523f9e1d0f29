"""What becomes of journeys under way, as far as their steps tell."""

import pytest

from domain.campaign.plan import Delay, Plan, Send, WaitFor
from domain.campaign.rules import EntryRule, Rules
from domain.journey.forecast import Compiled, Forecast, Group, InFlightPolicy, forecast
from tests.domain.strategies import plan_of

OLD_PLAN = plan_of(
    Delay("rest", 60, "mail"),
    Send(id="mail", channel="email", template="note", next="seen"),
    WaitFor(id="seen", subscriptions=(), timeout=60, on_timeout="gone"),
    Delay("gone", 60),
)
NEW_PLAN = plan_of(Delay("rest", 30, "mail"), Send(id="mail", channel="email", template="note"), Delay("seen", 60))


def compiled(plan: Plan, key: str | None = None, *, account: bool = False) -> Compiled:
    return Compiled(plan, Rules(name="c", entry=EntryRule("Started", key=key, account=account)))


OLD, NEW = compiled(OLD_PLAN), compiled(NEW_PLAN)


def group(step: str | None, status: str | None = "waiting", journeys: int = 1, **more: object) -> Group:
    return Group(**{"version": 1, "step": step, "status": status, "is_started": True, "journeys": journeys, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "fate", "reason"),
    [
        (group("rest"), "migrates", None),
        (group("mail", "deferred"), "migrates", None),
        (group("mail", "held"), "migrates", None),
        (group("mail", "acting"), "undecided", "acting"),
        (group("seen"), "stays", "kind_changed"),
        (group("gone"), "stays", "step_removed"),
        (group("gone", "acting"), "undecided", "acting"),
        (group(None, None), "undecided", "not_known"),
        (group(None, None, is_started=False), "migrates", None),
        (group("gone", is_started=False), "migrates", None),
        (group("never"), "undecided", "not_known"),
    ],
)
def test_what_becomes_of_those_who_are_to_migrate(found: Group, fate: str, reason: str | None) -> None:
    assert forecast([found], {1: OLD}, NEW, "migrate") == [Forecast(1, found.step, 1, fate, reason)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("policy", "fate"), [("keep", "stays"), ("exit", "exits")])
def test_otherwise_the_step_plays_no_part(policy: InFlightPolicy, fate: str) -> None:
    found = forecast([group("gone", journeys=2), group("mail", "acting")], {1: OLD}, NEW, policy)
    assert [(one.step, one.journeys, one.fate, one.reason) for one in found] == [
        ("mail", 1, fate, None),
        ("gone", 2, fate, None),
    ]


def test_those_of_one_fate_at_a_step_are_counted_together_in_the_order_of_the_plan() -> None:
    groups = [
        group("gone", journeys=3),
        group("mail", "held", 4),
        group("mail", "acting", 5),
        group("mail", "deferred", 6),
    ]
    older = group("rest", journeys=7, version=0)
    assert forecast([*groups, older], {1: OLD, 0: OLD}, NEW, "migrate") == [
        Forecast(0, "rest", 7, "migrates", None),
        Forecast(1, "mail", 10, "migrates", None),
        Forecast(1, "mail", 5, "undecided", "acting"),
        Forecast(1, "gone", 3, "stays", "step_removed"),
    ]


def test_nobody_migrates_to_a_version_that_finds_journeys_by_another_key() -> None:
    groups = [group("rest"), group(None, is_started=False), group("mail", "acting")]
    found = forecast(groups, {1: OLD}, compiled(NEW_PLAN, "event.properties.cart"), "migrate")
    assert {(one.fate, one.reason) for one in found} == {("stays", "entry_key_changed")}


@pytest.mark.parametrize("is_account", [True, False])
def test_no_journey_migrates_between_people_and_accounts(*, is_account: bool) -> None:
    groups = [group("rest"), group(None, is_started=False), group("mail", "acting")]
    old, new = compiled(OLD_PLAN, account=not is_account), compiled(NEW_PLAN, account=is_account)
    found = forecast(groups, {1: old}, new, "migrate")
    assert {(one.fate, one.reason) for one in found} == {("stays", "entry_account_changed")}
