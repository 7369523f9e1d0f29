"""Buyers are scored by breakpoints of the population, and move by events, by time and at night."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from application.segment_documents import SegmentDocuments
from domain.access import SOJOURN
from domain.errors import ConflictError, InvalidDocumentError, NotFoundError
from domain.people.rfm.scores import MIN_BUYERS
from domain.people.rfm.segments import SEGMENTS
from domain.people.segment_document import SegmentSource
from tests.engine.computed_harness import CHECKS, event
from tests.engine.rfm_harness import NAMES, NIGHT, Orders, calculate, generate, rfm_harness

SEED = 20261201


def evenly(at: datetime) -> Orders:
    """Buyers with 1 to 5 orders of 10 each, the last of them 1 to 20 days ago, each alike five times."""
    return {
        f"u{days}-{count}-{copy}": [(at - timedelta(days=days, hours=12 + order), 10.0) for order in range(count)]
        for days in range(1, 21)
        for count in range(1, 6)
        for copy in range(2)
    }


@pytest.mark.takes_long
async def test_scores_of_a_generated_year_equal_an_independent_calculation(database_url: str) -> None:
    draw = Random(SEED)
    print(f"seed {SEED}")  # noqa: T201
    now = datetime.now(UTC)
    orders = generate(draw, now, 260)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        # Half of them are counted as they come, and half from the history.
        first = dict(list(orders.items())[:130])
        await harness.order(first)
        await harness.apply_rfm()
        await harness.order({user: known for user, known in orders.items() if user not in first})
        await harness.ingest(event("Viewed", "stranger"))
        harness.set_clock(now + NIGHT)
        await harness.pass_midnight()
        at = now + NIGHT
        expected = calculate(orders, at)
        assert max(one.orders for one in expected.values()) > 64
        members = defaultdict(list)
        for user, one in expected.items():
            found = await harness.position(user)
            assert found is not None
            assert (found.values.days, found.values.orders) == (one.days, one.orders)
            assert found.values.spent == pytest.approx(one.spent, abs=1e-9)
            scores = found.scores.recency, found.scores.frequency, found.scores.monetary
            assert scores == (one.recency, one.frequency, one.monetary), user
            key = f"rfm.{NAMES[one.recency, one.frequency]}"
            assert found.segment == key
            members[key].append(user)
        for user in orders.keys() - expected.keys():
            assert await harness.position(user) is None
        assert await harness.members() == {key: sorted(members[key]) for key in sorted(members)}
        numbers = await harness.numbers()
        assert numbers.buyers == len(expected)
        assert {one.key: one.people for one in numbers.segments if one.people} == {
            key: len(users) for key, users in members.items()
        }
        cells = Counter((one.recency, one.frequency) for one in expected.values())
        assert {(cell.recency, cell.frequency): cell.people for cell in numbers.cells} == cells
        for segment in numbers.segments:
            spent = [expected[user].spent for user in members[segment.key]]
            mean = sum(spent) / len(spent) if spent else None
            assert segment.average_spent == (None if mean is None else pytest.approx(mean))


async def test_equal_people_have_equal_scores_however_many_they_are(database_url: str) -> None:
    """Four in five have one order, so that fifths by rank would part them."""
    now = datetime.now(UTC)
    orders = {f"u{n}": [(now - timedelta(days=n % 7, hours=1), 5.0)] for n in range(160)}
    orders |= {f"v{n}": [(now - timedelta(days=n % 7, hours=1), 5.0)] * (2 + n % 2) for n in range(40)}
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order(orders)
        await harness.apply_rfm()
        numbers = await harness.numbers()
        assert numbers.breakpoints is not None
        assert numbers.breakpoints.frequency == (1, 1, 1, 1)
        found: dict[tuple[int, int], set[tuple[int, int, int | None]]] = defaultdict(set)
        for user in orders:
            position = await harness.position(user)
            assert position is not None
            scores = position.scores
            values = position.values.days, position.values.orders
            found[values].add((scores.recency, scores.frequency, scores.monetary))
        assert len(found) == 21
        assert all(len(scores) == 1 for scores in found.values())
        assert {frequency for (_, count), [(_, frequency, _)] in found.items() if count == 1} == {1}
        assert {frequency for (_, count), [(_, frequency, _)] in found.items() if count > 1} == {5}


async def test_people_move_by_events_by_time_and_at_night_and_the_cause_says_which(database_url: str) -> None:
    now = datetime.now(UTC)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order(evenly(now))
        await harness.apply_rfm()
        numbers = await harness.numbers()
        assert numbers.breakpoints is not None
        assert (numbers.breakpoints.recency, numbers.breakpoints.frequency) == ((4, 8, 12, 16), (1, 2, 3, 4))
        await harness.run_campaign(
            """
            {key: loyal, name: Loyal, entry: {joins: rfm.loyal}, exit: [{leaves: rfm.loyal}],
             steps: [{id: rest, delay: 60d}]}
            """
        )
        await harness.run_campaign(
            """
            {key: top, name: Top, entry: {joins: rfm.champions}, exit: [{leaves: rfm.champions}],
             steps: [{id: rest, delay: 60d}]}
            """
        )
        assert await harness.causes("u4-5-0") == [("rfm.champions", True, "breakpoints")]

        # By time: the fifth day since the last order ends 12 hours later.
        harness.set_clock(now + timedelta(hours=12) - timedelta(microseconds=1))
        await harness.sweep()
        assert len(await harness.causes("u4-5-0")) == 1
        harness.set_clock(now + timedelta(hours=12))
        await harness.sweep()
        assert (await harness.causes("u4-5-0"))[1:] == [("rfm.champions", False, "time"), ("rfm.loyal", True, "time")]
        assert await harness.journeys() == dict.fromkeys(("u4-4-0", "u4-4-1", "u4-5-0", "u4-5-1"), "active")

        # By an event: an order of today.
        later = now + timedelta(hours=13)
        harness.set_clock(later)
        await harness.ingest(event("Order Completed", "u4-5-0", at=later, value=10), at=later)
        assert (await harness.causes("u4-5-0"))[3:] == [("rfm.loyal", False, "event"), ("rfm.champions", True, "event")]
        assert await harness.campaigns_of("u4-5-0") == {"loyal": "exited", "top": "active"}

        # At night: half of them have ordered so much that the breakpoints pass the others.
        night = now + NIGHT
        harness.set_clock(night)
        for user in [user for user in evenly(now) if user.endswith("-1")]:
            orders = [event("Order Completed", user, at=night, value=10) for _ in range(3)]
            await harness.ingest(*orders, at=night)
        await harness.sweep()
        assert await harness.causes("u1-4-0") == [("rfm.champions", True, "breakpoints")]
        assert await harness.campaigns_of("u20-1-1") == {"top": "active"}
        await harness.pass_midnight()
        assert (await harness.causes("u1-4-0"))[1:] == [
            ("rfm.champions", False, "breakpoints"),
            ("rfm.about-to-sleep", True, "breakpoints"),
        ]
        day = night.astimezone(ZoneInfo("Europe/Berlin")).date()
        assert await harness.summaries("u1-4-0") == {"rfm.about-to-sleep": f"by the breakpoints of {day}"}
        assert await harness.campaigns_of("u20-1-1") == {"top": "exited"}
        assert await harness.campaigns_of("u4-5-0") == {"loyal": "exited", "top": "active"}
        harness.set_clock(night + timedelta(seconds=1))
        moves = {(move.before, move.after): move.people for move in (await harness.numbers()).moves}
        assert moves["champions", "loyal"] == 4
        assert moves["loyal", "champions"] >= 2
        assert moves["champions", "about-to-sleep"] >= 1


async def test_too_few_buyers_have_no_scores_and_it_is_said(database_url: str) -> None:
    now = datetime.now(UTC)
    orders = dict(list(evenly(now).items())[: MIN_BUYERS - 1])
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        [warning] = (await harness.plan_rfm()).warnings
        assert warning.message == "`Order Completed` was reported 0 times, and scores need 100 buyers"
        await harness.order(orders)
        await harness.apply_rfm()
        numbers = await harness.numbers()
        assert numbers.refusal == "99 buyers are too few: scores need 100"
        assert numbers.breakpoints is None
        assert await harness.members() == {}
        assert await harness.position("u1-1-0") is None
        [rule] = (await harness.show_rfm()).rules
        assert (rule["buyers"], rule["refusal"], rule["breakpoints"]) == (99, numbers.refusal, None)
        [warning] = (await harness.plan_rfm()).warnings
        assert warning.message == f"there are no scores: {numbers.refusal}"
        # The night after there are enough; first scores move no one with triggers.
        await harness.run_campaign("{key: c, name: C, entry: {joins: rfm.champions}, steps: [{id: a, delay: 1d}]}")
        await harness.order({"one more": [(now - timedelta(days=2), 10.0)]})
        harness.set_clock(now + NIGHT)
        await harness.pass_midnight()
        assert (await harness.numbers()).refusal is None
        assert await harness.position("u1-5-0") is not None
        assert await harness.entered() == []
        assert (await harness.plan_rfm()).warnings == []


async def test_equal_values_have_no_scores(database_url: str) -> None:
    now = datetime.now(UTC)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order({f"u{n}": [(now - timedelta(days=n, hours=1), 1.0)] * (1 + n % 2) for n in range(100)})
        await harness.apply_rfm()
        assert (await harness.numbers()).refusal == "frequency has 2 different values: scores need 3"


async def test_another_rule_begins_anew_and_a_read_segment_is_not_removed(database_url: str) -> None:
    now = datetime.now(UTC)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order(evenly(now))
        await harness.apply_rfm()
        top = "{key: top, name: Top, entry: {event: X, where: '\"rfm.champions\" in profile.segments'}, steps: [%s]}"
        await harness.run_campaign(top % "{id: rest, delay: 30d}")
        text = "key: best\nname: Best\nwhere: '\"rfm.champions\" in profile.segments'\n"
        applied = SegmentDocuments(harness.database, CHECKS, "UTC").apply(
            [SegmentSource(text, "best.yaml")], by=SOJOURN
        )
        assert [one.key for one in (await applied).segments] == ["best"]
        await harness.operate()
        assert (await harness.members())["best"] == (await harness.members())["rfm.champions"]
        for source in ("rfm: {}\n", "rfm: {event: Sold, value: event.properties.value}\n"):
            plan = await harness.plan_rfm(source)
            assert [(one.kind, [str(reader) for reader in one.read_by]) for one in plan.changes] == [
                (plan.changes[0].kind, ["campaign top (version 1)", "segment best (version 1)"])
            ]
        with pytest.raises(ConflictError, match=r"`rfm.champions` is read by campaign top .*keep the scores"):
            await harness.apply_rfm("rfm: {}\n")
        view = await harness.apply_rfm("rfm: {event: Sold, value: event.properties.value}\n")
        assert view.version == 2
        assert await harness.members() == {}
        assert (await harness.numbers()).refusal == "0 buyers are too few: scores need 100"
        # Traits of the document are not those of authors.
        own = "profile.computed._rfm_orders > 1"
        with pytest.raises(InvalidDocumentError):
            await harness.run_campaign(
                top.replace("'\"rfm.champions\" in profile.segments'", own) % "{id: a, delay: 1d}"
            )
        await harness.apply("computed:\n  orders: {count: Sold}\n")
        assert "_rfm_orders" in (await harness.traits()).following.types


async def test_the_next_apply_requests_what_was_cancelled(database_url: str) -> None:
    now = datetime.now(UTC)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order(evenly(now))
        await harness.put_rfm()
        await harness.cancel("backfill", "score")
        await harness.operate()
        refusal = (await harness.numbers()).refusal
        assert refusal == "the count of earlier orders was cancelled; `sojourn rfm apply FILE` requests it again"
        view = await harness.apply_rfm()
        assert view.version == 1
        assert (await harness.numbers()).buyers == len(evenly(now))
        assert len(await harness.members()) == len(SEGMENTS)
        # A third apply changes nothing.
        await harness.put_rfm()
        assert await harness.count("operations WHERE finished_at IS NULL") == 0


async def test_an_ended_document_leaves_nothing(database_url: str) -> None:
    now = datetime.now(UTC)
    async with rfm_harness(database_url) as harness:
        harness.set_clock(now)
        await harness.order(evenly(now))
        await harness.apply_rfm()
        assert len(await harness.members()) == len(SEGMENTS)
        await harness.apply_rfm("rfm: {}\n")
        assert await harness.members() == {}
        assert (await harness.traits()).definitions == ()
        assert await harness.count("rfm_days") == 0
        assert await harness.position("u1-1-0") is None
        with pytest.raises(NotFoundError, match="sojourn rfm apply"):
            await harness.numbers()
