from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from domain.campaign.rules import EntryRule, EventRule, Rules, ScheduleRule
from tests.domain.campaign.documents import COMPLETE, publish
from tests.domain.conditions.times import NOW


def test_rules_hold_what_stays_outside_of_the_plan() -> None:
    rules = publish(COMPLETE).rules
    assert rules == Rules(
        name="Abandoned cart",
        entry=EntryRule(
            event="Cart Abandoned",
            where="event.properties.value > 100",
            key="event.properties.cart_id",
            reentry=604_800,
        ),
        exits=(EventRule("Order Completed", "event.properties.cart_id == entry.properties.cart_id"),),
        subscriptions={"reacted/0": EventRule("Email Link Clicked", "event.properties.step == 'nudge'")},
        branches={"which": ("profile.traits.vip == true",)},
        schedule=ScheduleRule(datetime(2026, 10, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    )
    assert msgspec.json.decode(msgspec.json.encode(rules), type=Rules) == rules


def test_the_first_case_that_holds_is_taken_and_what_failed_is_said() -> None:
    conditions = ("profile.traits.missing == 1", "profile.traits.tier == 'gold'", "profile.traits.tier != ''")
    rules = Rules(name="x", entry=EntryRule("x"), branches={"fork": conditions})
    gold = rules.decide("fork", NOW, profile=SimpleNamespace(traits={"tier": "gold"}))
    assert gold.case == 1
    assert list(gold.errors) == [0]
    assert "there is no profile.traits" in gold.errors[0]
    assert rules.decide("fork", NOW, profile=SimpleNamespace(traits={"tier": "tin"})).case == 2
    nobody = rules.decide("fork", NOW, profile=None)
    assert (nobody.case, list(nobody.errors)) == (None, [0, 1, 2])
    with pytest.raises(KeyError):
        rules.decide("other", NOW)
