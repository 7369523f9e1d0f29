"""People join segments by events, and leave them in time; journeys follow."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from application.merges import Merges
from application.recipients import Recipients
from application.step_decisions import StepDecisions
from domain.access import SOJOURN
from domain.journey.requests import ActionRequest
from domain.people.identity import PersonRef
from domain.tracking.event import Event
from tests.engine.computed_harness import event
from tests.engine.positions import UNRECORDED
from tests.engine.segment_harness import segment_harness

TRAITS = """
computed:
  orders: {count: Order Completed}
  active: {any: '*', within: 1h}
"""
BUYERS = "profile.computed.orders >= 1"
LAPSING = f"{BUYERS} && !profile.computed.active"
WIN_BACK = """
key: win-back
name: Win back
entry: {joins: lapsing, reentry: always}
exit: [{leaves: lapsing}]
steps: [{id: rest, delay: 30d}]
"""


def grouped(user: str, role: str, **traits: str) -> Event:
    """A call that states the role of a user in the account `acme`, and traits of that."""
    call = event(None, user, type="group", role=role)
    return replace(call, group_id="acme", properties={**call.properties, **traits})


def said(user: str, plan: str) -> Event:
    """A call that states the plan of a user."""
    return event(None, user, type="identify", plan=plan)


PHONE = {"device": {"id": "d1", "type": "ios"}, "app": {"version": "4.2"}}
MARKS = """
key: marks
name: Marks
entry: {event: Viewed}
steps: [{id: mark, update_profile: {marked: true}}]
"""


async def test_an_event_joins_and_time_leaves_and_a_journey_follows(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        loyal = '"buyers" in profile.segments && profile.computed.orders > 1'
        await harness.put(buyers=BUYERS, lapsing=LAPSING, loyal=loyal)
        await harness.run_campaign(WIN_BACK)
        await harness.ingest(event("Viewed"), event("Order Completed"), event("Viewed", "u2"))
        assert await harness.members() == {"buyers": ["u1"]}
        assert await harness.entered() == []
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        assert await harness.members() == {"buyers": ["u1"], "lapsing": ["u1"]}
        assert await harness.journeys() == {"u1": "active"}
        later = harness.database.clock.now()
        await harness.ingest(event("Order Completed", at=later), at=later)
        assert await harness.members() == {"buyers": ["u1"], "loyal": ["u1"]}
        assert await harness.journeys() == {"u1": "exited"}
        assert await harness.changes() == [
            ("u1", "buyers", True, "event"),
            ("u1", "lapsing", True, "time"),
            ("u1", "lapsing", False, "event"),
            ("u1", "loyal", True, "event"),
        ]


async def test_an_event_finds_what_time_has_changed_before(database_url: str) -> None:
    """No sweeper runs: the event of a person who is due is judged after what time has done."""
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(buyers=BUYERS, lapsing=LAPSING)
        await harness.run_campaign(WIN_BACK)
        await harness.ingest(event("Order Completed"))
        harness.let_pass(timedelta(hours=2))
        later = harness.database.clock.now()
        await harness.ingest(event("Viewed", at=later), at=later)
        assert [one[1:] for one in await harness.changes()] == [
            ("buyers", True, "event"),
            ("lapsing", True, "time"),
            ("lapsing", False, "event"),
        ]
        assert await harness.journeys() == {"u1": "exited"}


async def test_instants_that_nobody_looked_at_are_taken_one_by_one(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply("computed:\n  last: {last: Viewed}\n")
        began = datetime.now(UTC)
        await harness.put(between='within(profile.computed.last, "2h") && !within(profile.computed.last, "1h")')
        await harness.ingest(event("Viewed", at=began), at=began)
        harness.let_pass(timedelta(hours=5))
        await harness.sweep()
        assert await harness.members() == {}
        async with harness.database.transaction() as connection:
            cursor = await connection.execute("SELECT has_joined, at FROM segment_changes ORDER BY id")
            changes = [(row["has_joined"], row["at"] - began) async for row in cursor]
        assert changes == [(True, timedelta(hours=1)), (False, timedelta(hours=2))]


async def test_a_new_definition_judges_everyone_silently_or_with_triggers(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(lapsing=BUYERS)
        await harness.run_campaign(WIN_BACK)
        await harness.ingest(said("u1", "pro"), said("u2", "free"))
        await harness.put(lapsing='profile.traits.plan == "pro"')
        # An event judges its person at once, before it counts.
        await harness.ingest(said("u2", "pro"))
        assert await harness.members() == {"lapsing": ["u2"]}
        assert await harness.entered() == ["u2"]
        await harness.operate()
        assert await harness.members() == {"lapsing": ["u1", "u2"]}
        assert await harness.entered() == ["u2"]
        await harness.put("trigger", lapsing='profile.traits.plan == "free"')
        await harness.operate()
        assert await harness.members() == {}
        assert await harness.journeys() == {"u2": "exited"}
        await harness.ingest(said("u3", "free"))
        await harness.put("trigger", lapsing='profile.traits.plan in ["free", "pro"]')
        await harness.operate()
        assert await harness.members() == {"lapsing": ["u1", "u2", "u3"]}
        assert await harness.journeys() == {"u1": "active", "u2": "active", "u3": "active"}


async def test_a_segment_waits_for_the_history_of_its_traits(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(event("Order Completed"))
        await harness.apply(TRAITS)
        await harness.put(buyers=BUYERS)
        await harness.ingest(event("Order Completed", "u2"))
        assert await harness.members() == {}
        await harness.operate()
        assert await harness.members() == {"buyers": ["u1", "u2"]}


async def test_merged_people_are_judged_as_one_and_apart_again(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(twice="profile.computed.orders == 2", once="profile.computed.orders == 1")
        await harness.ingest(event("Order Completed"), event("Order Completed", "u2"))
        assert await harness.members() == {"once": ["u1", "u2"]}
        merges = Merges(harness.database, harness.catalogue)
        await merges.merge("u1", "u2", by=SOJOURN)
        assert await harness.members() == {"twice": ["u1"]}
        await merges.undo("u1", "u2", by=SOJOURN)
        assert await harness.members() == {"once": ["u1", "u2"]}
        await harness.ingest(event("Order Completed", None, anonymous="a1"))
        await harness.ingest(event(None, "u1", type="identify", anonymous="a1"))
        assert await harness.members() == {"once": ["u2"], "twice": ["u1"]}


async def test_new_people_are_judged_with_their_first_event(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(everybody="true", known="profile.user_id != null", young='!known_for("1h")')
        await harness.ingest(event("Viewed"), event("Viewed", None, anonymous="a1"))
        assert await harness.members() == {"everybody": ["u1", None], "known": ["u1"], "young": ["u1", None]}
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        assert await harness.members() == {"everybody": ["u1", None], "known": ["u1"]}
        later = harness.database.clock.now()
        await harness.ingest(event(None, "u2", type="identify", anonymous="a1", at=later), at=later)
        assert await harness.members() == {"everybody": ["u1", "u2"], "known": ["u1", "u2"]}


async def test_devices_and_activity_are_followed(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        phones = 'profile.devices.exists(one, one.platform == "ios" && one.app_version == "4.2")'
        await harness.put(phones=phones, seen="profile.sessions >= 1")
        await harness.ingest(replace(event("Viewed"), context=PHONE), event("Viewed", "u2"))
        assert await harness.members() == {}
        await harness.learn()
        assert await harness.members() == {"phones": ["u1"], "seen": ["u1", "u2"]}
        assert {one[3] for one in await harness.changes()} == {"event"}


async def test_all_members_of_an_account_are_judged_when_it_changes(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(business='account.traits.plan == "business" && account.role == "admin"')
        await harness.run_campaign(WIN_BACK.replace("lapsing", "business"))
        await harness.ingest(grouped("u1", "admin"), grouped("u2", "admin"), grouped("u3", "member"))
        assert await harness.members() == {}
        await harness.ingest(grouped("u3", "member", plan="business"))
        await harness.operate()
        assert await harness.members() == {"business": ["u1", "u2"]}
        await harness.ingest(grouped("u3", "admin"), grouped("u1", "member"))
        assert await harness.members() == {"business": ["u2", "u3"]}
        assert await harness.journeys() == {"u1": "exited", "u2": "active", "u3": "active"}


async def test_a_step_that_sets_a_trait_judges_its_person(database_url: str) -> None:
    """The step's own transaction writes the membership; the events follow."""
    async with segment_harness(database_url) as harness:
        await harness.put(marked="profile.traits.marked == true")
        await harness.run_campaign(MARKS)
        await harness.run_campaign(WIN_BACK.replace("lapsing", "marked"))
        await harness.ingest(event("Viewed"))
        async with harness.database.transaction() as connection:
            cursor = await connection.execute("SELECT id FROM journeys")
            [row] = await cursor.fetchall()
        now = harness.database.clock.now()
        request = ActionRequest(row["id"], "mark", 1, now, None, {"mark": 1}, UNRECORDED)
        assert not await StepDecisions(harness.database, harness.catalogue, "UTC").perform(request)
        assert await harness.members() == {"marked": ["u1"]}
        assert [one[3] for one in await harness.changes()] == ["step"]
        assert await harness.entered() == ["u1", "u1"]


async def test_a_new_person_is_judged_by_when_they_were_created(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(recent='profile.created_at > timestamp("2020-01-01T00:00:00Z")')
        await harness.ingest(event("Viewed"))
        assert await harness.members() == {"recent": ["u1"]}


async def test_counting_earlier_events_keeps_the_next_look(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(veterans='known_for("30d")')
        await harness.ingest(event("Viewed"))
        await harness.apply("computed:\n  orders: {count: Order Completed}\n")
        await harness.operate()
        harness.let_pass(timedelta(days=31))
        await harness.sweep()
        assert await harness.members() == {"veterans": ["u1"]}


async def test_new_definitions_judge_in_the_order_in_which_they_read_one_another(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.ingest(said("u1", "pro"))
        await harness.put("trigger", others='!("pros" in profile.segments)', pros='profile.traits.plan == "pro"')
        await harness.operate()
        assert await harness.members() == {"pros": ["u1"]}
        assert await harness.changes() == [("u1", "pros", True, "definition")]


async def test_an_undone_merge_is_no_change_by_time(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(lapsing=LAPSING)
        await harness.run_campaign(WIN_BACK)
        await harness.ingest(event("Viewed"), event("Order Completed", "u2"))
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        assert await harness.entered() == ["u2"]
        merges = Merges(harness.database, harness.catalogue)
        await merges.merge("u1", "u2", by=SOJOURN)
        await merges.undo("u1", "u2", by=SOJOURN)
        assert await harness.members() == {"lapsing": ["u2"]}
        assert await harness.count("journeys") == 1
        assert {one[3] for one in (await harness.changes())[1:]} <= {"operator"}


async def test_a_segment_that_leaves_its_group_frees_the_others(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put_group(low="true", high='profile.traits.plan == "pro"')
        await harness.ingest(said("u1", "pro"), said("u2", "free"))
        assert await harness.members() == {"high": ["u1"], "low": ["u2"]}
        await harness.put(high='profile.traits.plan == "pro"')
        await harness.operate()
        assert await harness.members() == {"high": ["u1"], "low": ["u1", "u2"]}


async def test_nobody_joins_before_the_definition_was_put_in_force(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(active="profile.computed.active")
        early = datetime.now(UTC) - timedelta(hours=5)
        await harness.ingest(event("Viewed", at=early), at=early)
        assert await harness.members() == {"active": ["u1"]}
        await harness.put(pros="profile.computed.orders == 0")
        await harness.operate()
        async with harness.database.transaction() as connection:
            cursor = await connection.execute(
                """
                SELECT key, at >= active_from AS is_later FROM segment_changes
                JOIN segments ON segments.id = segment_id ORDER BY segment_changes.id
                """
            )
            changes = [(row["key"], row["is_later"]) async for row in cursor]
        # The other segment was left by time, hours before.
        assert changes[1:] == [("active", False), ("pros", True)]


async def test_another_address_may_have_refused_messages(database_url: str) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(reachable="profile.consent.email == true")
        consented = event(None, "u1", type="identify", email="a@example.com", consent={"email": True})
        await harness.ingest(consented, event(None, "u2", type="identify", consent={"email": True}))
        assert await harness.members() == {"reachable": ["u1", "u2"]}
        await Recipients(harness.database, harness.catalogue).suppress(PersonRef("u1"), "email", "asked", by=SOJOURN)
        assert await harness.members() == {"reachable": ["u2"]}
        await harness.ingest(event(None, "u2", type="identify", email="a@example.com"))
        assert await harness.members() == {}


async def test_a_page_of_too_much_work_is_judged_in_parts(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(lapsing='profile.traits.plan == "none"')
        await harness.run_campaign(WIN_BACK)
        users = [f"u{number}" for number in range(1, 6)]
        await harness.ingest(*(said(user, "pro") for user in users))
        await harness.put("trigger", lapsing='profile.traits.plan == "pro"')
        monkeypatch.setattr("application.routing.MAX_WORK", 0)
        await harness.operate()
        assert await harness.members() == {"lapsing": users}
        assert await harness.entered() == users
        async with harness.database.transaction() as connection:
            cursor = await connection.execute("SELECT state, done, counts ->> 'joined' AS joined FROM operations")
            assert [(row["state"], row["done"], row["joined"]) async for row in cursor] == [("done", 5, "5")]
