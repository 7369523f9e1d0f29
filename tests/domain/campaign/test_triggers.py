"""The kinds of triggers in documents: each wherever an event can be named, one in each place."""

from typing import Any

import pytest

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.campaign.steps.wait_for import WaitStep
from domain.campaign.triggers.kinds import TRIGGERS
from domain.tracking.event import Trigger
from tests.domain.campaign.documents import problems, publish

TEMPLATES = {"hello.email.liquid": ""}
VALUES = {
    "event": ("Order Completed", "Order Completed"),
    "page": ("Pricing", "Pricing"),
    "screen": ('"*"', "*"),
    "group": ("acme", "acme"),
    "changed": ("\"profile.traits['last plan']\"", "profile.traits.last plan"),
    "consent": ("email", "email"),
    "opened": ("app", "app"),
    "joins": ("lapsing-buyers", "lapsing-buyers"),
    "arrives": ("{place: harbour-shop}", "harbour-shop"),
    "leaves": ("rfm.champions", "rfm.champions"),
    "stage": ("at-risk", "stage.at-risk"),
}
FORMS = [
    *((kind.key, *VALUES[kind.key], kind.kind) for kind in TRIGGERS),
    ("changed", "account.traits.plan", "account.traits.plan", "changed"),
]


def document(entry: str, other: str = "event: X", where: str = "") -> str:
    return f"""\
key: any
name: Any
entry: {{{entry}{where}}}
exit: [{{{other}{where}}}]
goal: {{{other}{where}, within: 1d}}
steps:
  - {{id: one, wait_for: {{{other}, timeout: 1d}}}}
  - {{id: many, wait_for: {{events: [{{{other}{where}, do: []}}], timeout: 1d}}}}
  - {{id: round, repeat: {{every: 1d, times: 2, until: {{{other}{where}}}}}, do: [{{id: rest, delay: 1h}}]}}
"""


@pytest.mark.parametrize(("key", "written", "name", "kind"), FORMS)
def test_each_kind_stands_wherever_an_event_is_named(key: str, written: str, name: str, kind: Any) -> None:
    rules = publish(document(f"{key}: {written}", f"{key}: {written}", ", where: 'true'")).rules
    assert rules.goal is not None
    everywhere: list[EntryRule | EventRule | GoalRule] = [
        rules.entry,
        *rules.exits,
        rules.goal,
        *rules.subscriptions.values(),
    ]
    assert len(everywhere) == 6
    assert {rule.trigger for rule in everywhere} == {Trigger(kind, name)}


@pytest.mark.parametrize("key", [kind.key for kind in TRIGGERS])
def test_exactly_one_kind_stands_in_a_place(key: str) -> None:
    other = "page" if key == "event" else "event"
    two = f"{other}: X, {key}: {VALUES[key][0]}"
    said = f"`{key}` cannot stand beside `{other}`"
    places = ["entry", "exit[0]", "goal", "steps[0].wait_for", "steps[1].wait_for.events[0]", "steps[2].repeat.until"]
    assert [(one.path, one.message) for one in problems(document(two, two))] == [
        (f"{place}.{key}", said) for place in places
    ]


def test_a_place_without_a_trigger_says_what_may_stand_there() -> None:
    found = problems(document("event: X", "where: 'true'"))
    needed = [one for one in found if one.message == "it names no event"]
    assert [one.path for one in needed] == ["exit[0]", "goal", "steps[1].wait_for.events[0]"]
    assert all(f"`{kind.example}`" in needed[0].suggestion for kind in TRIGGERS)


@pytest.mark.parametrize(
    ("written", "said", "remedy"),
    [
        ('event: "*"', "`*` is not a name here", "Name one"),
        ("changed: profile.traits.address.city", "within a trait", "Write `profile.traits.address`, and compare"),
        ("changed: profile.consent.email", "is a consent, and neither a trait nor the stage", "Write `consent: email`"),
        (
            "changed: profile.traits.consent",
            "is a consent, and neither a trait nor the stage",
            "Write `consent: email`",
        ),
        ("changed: \"profile.traits['consent']\"", "`consent` is not a trait", "Write `consent: email`"),
        ("opened: desktop", "`desktop` is opened by no session", "Write `app`, `site`"),
        ("changed: account.traits.plan.tier", "is within a trait", "Write `account.traits.plan`"),
        ("changed: account.role", "is not a value of the profile or the account", "`account.traits.plan`"),
        (
            "changed: plan",
            "`plan` is not a value of the profile",
            "Write a trait, as `profile.traits.plan`",
        ),
        ("changed: 5", "is not a text", "Put it into quotes"),
        ("page:", "`page` has no value", "Write one"),
        ("page: [A]", "is not a text", "Write one text"),
        ("page: “Pricing”", "the quotes are part of the name", "Did you mean `Pricing`?"),
    ],
)
def test_each_mistake_has_a_remedy(written: str, said: str, remedy: str) -> None:
    [found] = problems(document(written))
    assert said in found.message
    assert remedy in found.suggestion


@pytest.mark.parametrize("key", [kind.key for kind in TRIGGERS if kind.properties is not None])
def test_a_property_that_such_events_do_not_have_is_refused(key: str) -> None:
    written = f"{key}: {VALUES[key][0]}"
    properties = next(kind.properties for kind in TRIGGERS if kind.key == key) or ()
    first, *_, last = properties
    assert publish(document(written, written, f", where: event.properties.{first} == event.properties.{last}"))
    found = problems(document(written, written, ", where: event.properties.given == true"))
    assert [one.message for one in found] == [f"an event of `{key}` has no property `given`"] * 5
    assert found[0].suggestion == f"It has: {', '.join(properties)}"
    [keyed] = problems(document(f"{written}, key: event.properties.cart_id"))
    assert (keyed.path, keyed.message) == ("entry.key", f"an event of `{key}` has no property `cart_id`")


def test_a_wait_for_what_ends_the_journey_is_warned_of_for_each_kind() -> None:
    def warned(exit: str, awaited: str) -> list[str]:
        text = f"""\
key: any
name: Any
entry: {{event: X}}
exit: [{{{exit}}}]
steps: [{{id: one, wait_for: {{{awaited}, timeout: 1d}}}}]
"""
        return [one.message for one in publish(text).warnings]

    assert warned('page: "*"', "page: Pricing") == [
        "`page Pricing` is never heard here: it is an exit, and ends the journey first"
    ]
    assert warned("page: Pricing", "screen: Pricing") == warned("page: Pricing", 'page: "*"') == []


def test_a_kind_of_trigger_is_one_registry_line() -> None:
    """No module of a step, of the compilation or of routing names a kind."""
    assert WaitStep.model_fields["wait_for"].annotation is not None
    assert {kind.key for kind in TRIGGERS} == VALUES.keys()
