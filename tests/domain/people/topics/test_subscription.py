"""A subscription is two registers, so that order and repetition change nothing."""

from datetime import UTC, datetime
from itertools import permutations

from domain.people.profile_state import ProfileState, Source, Statement, fold
from domain.people.registers import Stamp
from domain.people.topics.subscription import SubscriptionRef, list_subscriptions, registers_of, state_of

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
SOURCE = Source("event", "e1", NOON)
NEWS = SubscriptionRef("newsletter", "email")


def said(at: int, *, yes: bool, confirmed: bool = False) -> list[Statement]:
    return [
        Statement("preferences", name, value, Stamp(at, f"m{at}"), SOURCE)
        for name, value in registers_of(NEWS, is_subscribed=yes, is_confirmed=confirmed)
    ]


def test_the_same_statements_in_any_order_leave_the_same_state() -> None:
    requested, confirmed, repeated = said(1, yes=True), said(2, yes=True, confirmed=True), said(3, yes=True)
    refused, again = said(4, yes=False), said(5, yes=True)
    for statements, expected in (
        ([requested], "subscribed"),
        # A call that repeats its statement takes no confirmation away.
        ([requested, confirmed, repeated], "confirmed"),
        ([requested, confirmed, repeated, refused], "unsubscribed"),
        # What was confirmed before a refusal is not confirmed after it.
        ([confirmed, refused, again], "subscribed"),
    ):
        for order in permutations(statements):
            state = fold(ProfileState(), [one for group in order for one in group]).state
            assert state_of(state.preferences.values, NEWS) == expected, order


def test_the_stated_subscriptions_are_listed_and_the_pace_is_none() -> None:
    preferences = {"b.email": False, "b.email.confirmed": False, "a.email": True, "pace": "weekly"}
    assert list_subscriptions(preferences) == {
        SubscriptionRef("a", "email"): "subscribed",
        SubscriptionRef("b", "email"): "unsubscribed",
    }
