"""The words of a campaign: values on both sides of each boundary, and the events that rules name."""

from typing import Any

import pytest

from domain.campaign.plan import Plan
from domain.campaign.rules import EntryRule, EventRule, Rules
from domain.people.computed.definition import EventSelector, TraitRule
from domain.people.computed_document import NamedTrait
from domain.rehearsal.rulebook import DeployedRules, RunningCampaign, build_rulebook
from domain.rehearsal.scenario_run import FIRST_DAY
from domain.rehearsal.vocabulary import Vocabulary, learn_vocabulary
from domain.tracking.event import Trigger


def learn(where: str, *, exits: tuple[EventRule, ...] = (), samples: dict[str, Any] | None = None) -> Vocabulary:
    rules = Rules("Cart", EntryRule("Cart Abandoned", where=where), exits)
    campaign = RunningCampaign("cart", 1, Plan(None, {}), rules)
    visits = NamedTrait("visits", TraitRule(function="count", events=(EventSelector("page", "Pricing"),), type="int"))
    rulebook = build_rulebook([campaign], DeployedRules(computed=[visits]), "UTC")
    return learn_vocabulary(rulebook, campaign, samples or {}, FIRST_DAY)


@pytest.mark.parametrize(
    ("where", "path", "values"),
    [
        ("event.properties.value > 100", "value", [101, 100, 99]),
        ('event.properties.plan == "team"', "plan", ["team", "other than team"]),
        ('event.properties.plan in ["a"]', "plan", ["a", "other than a"]),
        ('"a" in event.properties.tags', "tags", [["a"], []]),
        ("!event.properties.is_new", "is_new", [True, False]),
        ("has(event.properties.note)", "note", ["one", "another", None]),
        ('event.properties.sku.startsWith("x-")', "sku", ["x-"]),
        ("event.properties.cart.total >= 5", "cart.total", [6, 5, 4]),
    ],
)
def test_values_stand_on_both_sides_of_each_boundary(where: str, path: str, values: list[Any]) -> None:
    assert learn(where).properties[path] == values


def test_two_compared_paths_share_their_values() -> None:
    learned = learn('profile.traits.tier == event.properties.tier && event.properties.tier != "gold"')
    assert learned.traits["tier"] == ["gold", "other than gold"]


def test_a_duration_is_no_value() -> None:
    learned = learn('timestamp(profile.traits.asked_at) > event.timestamp - duration("24h")')
    assert all(value.startswith("20") for value in learned.traits["asked_at"])


def test_the_events_of_a_computed_trait_are_done_as_often_as_it_asks() -> None:
    learned = learn("profile.computed.visits >= 3")
    assert learned.entries == [Trigger("track", "Cart Abandoned"), Trigger("page", "Pricing")]
    assert learned.repeats == 4


def test_a_template_gives_values_that_no_condition_compares() -> None:
    samples = {"entry": {"properties": {"value": "Sample", "url": "https://example.com"}}}
    learned = learn("event.properties.value > 100", samples=samples)
    assert learned.properties == {"value": [101, 100, 99], "url": ["https://example.com"]}
