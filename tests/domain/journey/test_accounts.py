"""Journeys of accounts: one for each account and key, moved by the events of any member."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.campaign.rules import EntryRule, EventRule, GoalRule
from domain.journey.matching import ProfileEvent
from domain.journey.routing_result import RoutingResult
from domain.people.account_view import AccountKey, AccountView, account_of
from domain.tracking.event import Trust
from tests.domain.journey.routing_harness import ADA, BOB, HOUR, NOON, RoutingHarness, campaign, reasons, track

OF_ACCOUNT = EntryRule("Signed Up", account=True)
ROLES = {ADA: "admin", BOB: "member"}


class AccountsHarness(RoutingHarness):
    """Ada and Bob are members of acme and of beta, most lately of acme."""

    def accounts(self, profile_events: Sequence[ProfileEvent]) -> dict[AccountKey, AccountView]:
        found = {}
        for one in profile_events:
            named = account_of(one.event)
            found[one.profile_id, named] = AccountView(named or "acme", ROLES[one.profile_id], {})
        return found


def of_account(name: str, person: UUID = ADA, account: str = "beta", **more: object) -> ProfileEvent:
    one = track(name, person, **more)  # type: ignore[arg-type]
    return replace(one, event=replace(one.event, context={"groupId": account}))


def owners(routed: RoutingResult) -> list[str | None]:
    return [journey.account_id for journey in routed.entered]


def test_members_start_one_journey_of_each_account() -> None:
    harness = AccountsHarness(campaign("acc", entry=OF_ACCOUNT))
    routed = harness.take(
        track("Signed Up", ADA), track("Signed Up", BOB), of_account("Signed Up", BOB), of_account("Signed Up", ADA)
    )
    assert owners(routed) == ["acme", "beta"]
    assert reasons(routed) == [None, "already_in", None, "already_in"]
    assert [journey.profile_id for journey in routed.entered] == [ADA, BOB]
    # The id of the workflow names the account, and no member.
    assert [journey.workflow_id.split("/")[1] for journey in routed.entered] == ["acme", "beta"]


def test_a_key_tells_the_journeys_of_an_account_apart() -> None:
    entry = EntryRule("Signed Up", key="event.properties.project", account=True)
    harness = AccountsHarness(campaign("acc", entry=entry, exits=[EventRule("Done")]))
    routed = harness.take(
        track("Signed Up", ADA, project="p1"),
        track("Signed Up", BOB, project="p2"),
        track("Signed Up", BOB, project="p1"),
        track("Done", BOB, project="p1"),
    )
    assert [journey.entry_key for journey in routed.entered] == ["p1", "p2"]
    assert list(routed.exits) == [routed.entered[0].id]


def test_any_member_ends_and_moves_it_with_the_same_account_alone() -> None:
    version = campaign(
        "acc",
        entry=OF_ACCOUNT,
        exits=[EventRule("Left", "account.role == 'member'")],
        hears={"w/0": EventRule("Invited")},
        goal=GoalRule("Paid", 3_600),
    )
    harness = AccountsHarness(version)
    [journey] = harness.take(track("Signed Up", ADA)).entered
    elsewhere = harness.take(of_account("Invited", ADA), of_account("Paid", ADA), of_account("Left", BOB))
    assert not elsewhere.matches
    assert not elsewhere.conversions
    assert not elsewhere.exits
    # The conditions of an exit see the person of its event.
    routed = harness.take(track("Invited", BOB), track("Paid", BOB), track("Left", ADA))
    assert [match.journey.id for match in routed.matches] == [journey.id]
    assert [reached.journey.id for reached in routed.conversions] == [journey.id]
    assert not routed.exits
    assert list(harness.take(track("Left", BOB)).exits) == [journey.id]


def test_reentry_counts_the_entries_of_the_account() -> None:
    entry = EntryRule("Signed Up", reentry="never", account=True)
    harness = AccountsHarness(campaign("acc", entry=entry, exits=[EventRule("Left")]))
    assert reasons(harness.take(track("Signed Up", ADA))) == [None]
    harness.take(track("Left", BOB))
    assert reasons(harness.take(track("Signed Up", BOB))) == ["reentry_never"]
    assert reasons(harness.take(of_account("Signed Up", BOB))) == [None]


def test_an_exit_of_another_member_that_overtook_the_entry_prevents_it() -> None:
    harness = AccountsHarness(campaign("acc", entry=OF_ACCOUNT, exits=[EventRule("Left")]))
    harness.take(track("Left", BOB, at=NOON + HOUR))
    harness.take(of_account("Left", BOB, "beta", at=NOON + 2 * HOUR))
    assert reasons(harness.take(track("Signed Up", ADA, at=NOON + HOUR / 2))) == ["exit_event_came_first"]
    assert reasons(harness.take(track("Signed Up", ADA, at=NOON + 3 * HOUR / 2), after=timedelta(hours=2))) == [None]


def test_an_echo_concerns_the_journeys_of_people_alone() -> None:
    exits = [EventRule("Left")]
    of_people = campaign("people", entry=EntryRule("Signed Up"), exits=exits)
    harness = AccountsHarness(campaign("acc", entry=OF_ACCOUNT, exits=exits), of_people)
    harness.take(track("Signed Up", ADA))
    [entered] = harness.take(replace(track("Signed Up", BOB), is_echo=True)).entered
    assert (entered.campaign_key, entered.profile_id) == ("people", BOB)
    assert list(harness.take(replace(track("Left", BOB), is_echo=True)).exits) == [entered.id]
    assert {journey.campaign_key for journey in harness.active.values()} == {"acc", "people"}


@pytest.mark.parametrize("trust", [Trust.ANONYMOUS, Trust.UNVERIFIED])
def test_what_anyone_may_report_concerns_no_journey_of_an_account(trust: Trust) -> None:
    version = campaign(
        "acc",
        entry=OF_ACCOUNT,
        exits=[EventRule("Left")],
        hears={"w/0": EventRule("Invited")},
        goal=GoalRule("Paid", 3_600),
    )
    harness = AccountsHarness(version)

    def reported(name: str, **more: object) -> ProfileEvent:
        one = track(name, BOB, **more)  # type: ignore[arg-type]
        return replace(one, event=replace(one.event, trust=trust))

    assert reasons(harness.take(reported("Signed Up"))) == ["no_account"]
    # Nor does it prevent an entry that it overtook.
    harness.take(reported("Left", at=NOON + HOUR))
    [journey] = harness.take(track("Signed Up", ADA)).entered
    routed = harness.take(reported("Invited"), reported("Paid"), reported("Left"))
    assert (routed.matches, routed.conversions, routed.exits) == ([], [], {})
    assert list(harness.active) == [journey.id]


def test_an_event_without_an_account_starts_none() -> None:
    harness = RoutingHarness(campaign("acc", entry=OF_ACCOUNT))
    assert reasons(harness.take(track("Signed Up", ADA))) == ["no_account"]


def test_only_campaigns_of_accounts_concern_accounts() -> None:
    of_people = campaign("people", entry=EntryRule("Signed Up"), exits=[EventRule("Left")])
    harness = RoutingHarness(
        of_people, campaign("acc", entry=EntryRule("Joined", account=True), exits=[EventRule("Q")])
    )
    events = {name: track(name).event for name in ("Signed Up", "Left", "Joined", "Q")}
    concerned = [name for name, event in events.items() if harness.listeners.concern_accounts([event])]
    assert concerned == ["Joined", "Q"]
    assert not harness.listeners.concern_accounts([])
