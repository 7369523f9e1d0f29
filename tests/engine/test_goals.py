"""Goals: what a campaign was for is counted, once a journey, with the message and the arms that came before."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.routing import MAX_PAST
from domain.tracking.event import Event
from store import campaigns
from store.database import Database
from tests.engine.ingesting import AT, event, statements
from tests.harness import MAIL, Harness

OFFER = """
key: offer
name: Offer
entry: {event: Cart Abandoned, key: event.properties.cart_id}
exit: [{event: Cart Emptied}]
goal: {event: Order Completed, within: 7d}
steps:
  - {id: cool-off, delay: 30m}
  - {id: way, split: {arms: {plain: 1, discount: 1}}, plain: [], discount: []}
  - {id: mail, send: {channel: email, template: note}}
  - {id: rest, delay: 2d}
"""
SEED = 20_261_122
CONVERSIONS = "SELECT * FROM conversions ORDER BY journey_id"


async def publish(harness: Harness, source: str) -> None:
    document = {"file": "campaign.yaml", "source": source, "templates": {"note.liquid": MAIL}}
    key = (await harness.admin("POST", "/v1/campaigns", document))["key"]
    await harness.admin("POST", f"/v1/campaigns/{key}/start")


def cart(user: str = "u1", at: datetime = AT, cart_id: str = "c1") -> Event:
    return event("track", user, name="Cart Abandoned", at=at, cart_id=cart_id)


def emptied(user: str = "u1", at: datetime = AT, cart_id: str = "c1") -> Event:
    return event("track", user, name="Cart Emptied", at=at, cart_id=cart_id)


def order(user: str = "u1", at: datetime = AT + timedelta(days=1), cart_id: str | None = "c1") -> Event:
    return event("track", user, name="Order Completed", at=at, cart_id=cart_id)


async def test_a_goal_is_recorded_with_what_came_before_it(harness: Harness) -> None:
    await publish(harness, OFFER)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1"})
    handle = await harness.journey("u1")
    await harness.skip(handle, minutes=30)
    [message] = await harness.messages.until(state="sent")
    await harness.track("u1", "Order Completed", {"cart_id": "c2"})
    assert await harness.query(CONVERSIONS) == []
    first = await harness.track("u1", "Order Completed", {"cart_id": "c1"})
    await harness.track("u1", "Order Completed", {"cart_id": "c1"})
    [conversion] = await harness.query(CONVERSIONS)
    journey = await harness.journeys.one()
    [happened] = await harness.query("SELECT id, timestamp FROM events WHERE message_id = %s", first)
    [arm] = [item["outcome"] for item in await harness.timeline("u1") if item["kind"] == "split"]
    assert conversion == {
        "journey_id": journey["id"],
        "profile_id": journey["profile_id"],
        "campaign_key": "offer",
        "campaign_version": 1,
        "event_id": str(happened["id"]),
        "message_id": message["id"],
        "arms": {"way": arm},
        "at": happened["timestamp"],
        "recorded_at": conversion["recorded_at"],
        "recorded_xid": conversion["recorded_xid"],
    }
    # The goal is no exit: the journey goes on.
    assert journey["state"] == "active"
    [line] = [item for item in await harness.timeline("u1") if item["kind"] == "goal"]
    assert line["summary"] == f"reached the goal of offer: Order Completed, after mail (way {arm})"
    assert (line["outcome"], line["campaign"], line["step"]) == ("converted", "offer", "mail")
    assert line["journey_id"] == str(journey["id"])
    assert line["data"] == {"event_id": str(happened["id"]), "message_id": str(message["id"]), "arms": {"way": arm}}
    assert line["url"].endswith(handle.id.replace("/", "%2F"))


async def test_a_goal_before_any_message_has_none(harness: Harness, ingest: Ingest) -> None:
    await publish(harness, OFFER)
    await ingest([cart(), order()], received_at=AT)
    [conversion] = await harness.query(CONVERSIONS)
    assert (conversion["message_id"], conversion["arms"]) == (None, {})
    [line] = [item for item in await harness.timeline("u1") if item["kind"] == "goal"]
    assert line["summary"] == "reached the goal of offer: Order Completed"


async def test_only_what_was_handed_over_before_led_to_it(harness: Harness, ingest: Ingest) -> None:
    """By the clock of the database, whatever the journey's says: that may be ahead by weeks."""
    await publish(harness, OFFER)
    ordered = order()
    just_before, later = ordered.timestamp, ordered.timestamp + timedelta(seconds=1)
    cases: list[tuple[str, datetime | None, bool]] = [
        ("sending", just_before, True),
        ("sent", just_before, True),
        ("unknown", just_before, True),
        ("sent", later, False),
        ("sending", later, False),
        ("reserved", None, False),
        ("reserved", just_before, False),
        ("failed", just_before, False),
        ("cancelled", None, False),
    ]
    for number, (state, claimed_at, counts) in enumerate(cases):
        cart_id = f"c{number}"
        await ingest([cart(cart_id=cart_id)], received_at=AT)
        ahead = timedelta(days=300)
        await harness.query(
            """
            INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                                  state, at, expires_at, claimed_at)
            SELECT gen_random_uuid(), journeys.id, profile_id, campaign_key, item.step, 1, 'email', 'marketing', 'note',
                   item.state, at, at, claimed_at
            FROM journeys, (VALUES ('early', 'sent', %s::timestamptz, %s::timestamptz), ('late', %s, %s, %s))
              AS item (step, state, at, claimed_at)
            WHERE entry_key = %s
            RETURNING id
            """,
            *(AT + 2 * ahead, AT, state, AT + ahead, claimed_at, cart_id),
        )
        await ingest([order(at=ordered.timestamp, cart_id=cart_id)], received_at=AT)
        [found] = await harness.query(
            "SELECT messages.step FROM conversions JOIN messages ON messages.id = message_id "
            "JOIN journeys ON journeys.id = conversions.journey_id WHERE entry_key = %s",
            cart_id,
        )
        assert found["step"] == ("late" if counts else "early"), (state, claimed_at)


async def test_goals_of_ended_journeys_old_versions_and_stopped_campaigns_count(
    harness: Harness, database_url: str
) -> None:
    await publish(harness, OFFER)
    async with Database(database_url, pool_size=2) as database:
        await Ingest(database, Catalogue())([cart(), emptied()], received_at=AT)
    await publish(harness, OFFER.replace("goal: {event: Order Completed", "goal: {event: Order Paid"))
    async with Database(database_url, pool_size=2) as database:
        await Ingest(database, Catalogue())([cart("u2"), emptied("u2")], received_at=AT)
    await harness.admin("POST", "/v1/campaigns/offer/stop")
    assert await harness.journeys.all(state="active") == []
    await harness.query("UPDATE journeys SET state = 'completed' WHERE campaign_version = 1 RETURNING id")
    paid = [event("track", user, name="Order Paid", at=AT, cart_id="c1") for user in ("u1", "u2")]
    async with Database(database_url, pool_size=2) as database:
        # As a process that starts now has it: nothing is remembered.
        await Ingest(database, Catalogue())([order("u1"), order("u2"), *paid], received_at=AT + timedelta(days=30))
    rows = await harness.query(
        "SELECT user_id, campaign_version, event_id FROM conversions JOIN profiles ON profiles.id = profile_id "
        "ORDER BY user_id"
    )
    assert [(row["user_id"], row["campaign_version"]) for row in rows] == [("u1", 1), ("u2", 2)]
    assert rows[1]["event_id"] == str(paid[1].id)


async def test_a_version_is_forgotten_once_its_goal_can_no_longer_be_reached(harness: Harness, ingest: Ingest) -> None:
    """A month after the last that may have entered had their time. Months differ by three days."""

    async def known() -> list[tuple[int, bool, bool]]:
        async with harness.database.transaction() as connection:
            listening = await campaigns.listening_versions(connection)
        return [(version.version, version.lets_in, version.has_journeys) for version in listening]

    await publish(harness, OFFER)
    await ingest([cart(), emptied()], received_at=AT)
    await publish(harness, OFFER.replace("7d", "17d"))
    await publish(harness, OFFER.replace("goal:", "# goal:"))
    assert sorted(await known()) == [(1, False, False), (2, False, False), (3, True, False)]
    await harness.query("UPDATE campaigns SET updated_at = now() - interval '1 month 12 days' RETURNING key")
    assert sorted(await known()) == [(2, False, False), (3, True, False)]
    await harness.query("UPDATE campaigns SET updated_at = now() - interval '1 month 22 days' RETURNING key")
    assert await known() == [(3, True, False)]
    await ingest([cart("u2")], received_at=AT)
    assert await known() == [(3, True, True)]


async def test_a_goal_that_exits_ends_the_journey_and_says_so(harness: Harness) -> None:
    await publish(harness, OFFER.replace("within: 7d", "within: 7d, exit_on_goal: true"))
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c1"})
    await harness.track("u1", "Cart Abandoned", {"cart_id": "c2"})
    handle = await harness.journey("u1")
    await harness.track("u1", "Order Completed", {"cart_id": "c2"})
    [bought] = await harness.query("SELECT id FROM events WHERE name = 'Order Completed'")
    assert await handle.result() == "exited"
    journeys = await harness.query("SELECT entry_key, state, outcome, ended_by FROM journeys ORDER BY entry_key")
    assert [tuple(journey.values()) for journey in journeys] == [
        ("c1", "active", None, None),
        ("c2", "exited", "exited", str(bought["id"])),
    ]
    lines = [item for item in await harness.timeline("u1") if item["kind"] in ("exit", "goal")]
    assert [(line["kind"], line["reason"], line["summary"]) for line in lines] == [
        ("exit", "goal", "left offer: Order Completed is its goal"),
        ("goal", None, "reached the goal of offer: Order Completed"),
    ]


async def test_conversions_go_with_a_profile_that_is_merged(harness: Harness, ingest: Ingest) -> None:
    await publish(harness, OFFER)
    entered = event("track", None, anonymous="a1", name="Cart Abandoned", cart_id="c1")
    bought = event("track", None, anonymous="a1", name="Order Completed", cart_id="c1")
    await ingest([entered, bought], received_at=AT)
    await ingest([event("identify", "u1")], received_at=AT)
    await ingest([event("identify", "u1", anonymous="a1")], received_at=AT)
    [owner] = await harness.query("SELECT user_id FROM conversions JOIN profiles ON profiles.id = profile_id")
    assert owner == {"user_id": "u1"}
    assert "goal" in [item["kind"] for item in await harness.timeline("u1")]


async def test_what_a_person_did_anonymously_counts_once_it_is_known_whose_it_was(
    harness: Harness, ingest: Ingest
) -> None:
    """The merge and the goal in one batch."""
    await publish(harness, OFFER)
    await ingest([event("identify", "u1")], received_at=AT)
    await ingest([event("track", None, anonymous="a1", name="Cart Abandoned", cart_id="c1")], received_at=AT)
    await ingest([event("identify", "u1", anonymous="a1"), order("u1")], received_at=AT)
    [owner] = await harness.query("SELECT user_id FROM conversions JOIN profiles ON profiles.id = profile_id")
    assert owner == {"user_id": "u1"}


async def test_goals_take_as_many_statements_for_a_batch_as_for_an_event(
    harness: Harness, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(harness, OFFER)
    await ingest([event("track", "u0", name="Page Scrolled")], received_at=AT)
    counts = []
    for number in (1, 10, 100):
        users = [f"u{number}-{index}" for index in range(number)]
        await ingest([cart(user) for user in users], received_at=AT)
        with statements(monkeypatch) as sent:
            await ingest([emptied(user) for user in users[::2]], received_at=AT)
        assert not any("conversions" in statement for statement in sent)
        with statements(monkeypatch) as sent:
            await ingest([order(user) for user in users], received_at=AT)
        counts.append(len(sent))
    assert counts[0] == counts[1] == counts[2], counts
    assert len(await harness.query(CONVERSIONS)) == 111
    with statements(monkeypatch) as sent:
        await ingest([event("track", "u1-0", name="Order Paid", cart_id="c1")], received_at=AT)
    assert len(sent) == 5, sent


async def test_of_somebodys_past_journeys_the_last_hundred_may_reach_their_goal(
    harness: Harness, ingest: Ingest
) -> None:
    await publish(harness, OFFER)
    for number in range(MAX_PAST + 5):
        await ingest([cart(cart_id=f"c{number}"), emptied(cart_id=f"c{number}")], received_at=AT + timedelta(0, number))
    await ingest([order(cart_id=None)], received_at=AT)
    rows = await harness.query("SELECT entry_key FROM conversions JOIN journeys ON journeys.id = journey_id")
    assert {row["entry_key"] for row in rows} == {f"c{number}" for number in range(5, MAX_PAST + 5)}
    # Those that have reached it stand in nobody's way.
    await ingest([order(cart_id=None)], received_at=AT)
    assert len(await harness.query(CONVERSIONS)) == MAX_PAST + 5


@pytest.mark.parametrize(
    ("at", "reached"),
    [
        # Too old to let anybody in, and so to reach a goal.
        (datetime(1, 1, 1, tzinfo=UTC), False),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), True),
    ],
    ids=["first", "last"],
)
async def test_goals_at_the_ends_of_time_are_no_error(
    harness: Harness, ingest: Ingest, at: datetime, reached: bool
) -> None:
    await publish(harness, OFFER)
    await ingest([order(at=at), cart(at=at), emptied(at=at)], received_at=AT)
    await ingest([order(at=at), order(at=AT)], received_at=AT)
    assert [conversion["at"] for conversion in await harness.query(CONVERSIONS)] == [at] * reached


async def test_a_goal_reported_many_times_at_once_counts_once(harness: Harness, database_url: str) -> None:
    await publish(harness, OFFER)
    async with Database(database_url, pool_size=10) as one, Database(database_url, pool_size=10) as other:
        processes = [Ingest(one, Catalogue()), Ingest(other, Catalogue())]
        await processes[0]([cart()], received_at=AT)
        batches = [[order(), emptied(), order()] if number % 3 else [order()] for number in range(20)]
        await asyncio.gather(*(processes[number % 2](batch, received_at=AT) for number, batch in enumerate(batches)))
    [conversion] = await harness.query(CONVERSIONS)
    assert conversion["event_id"] in {str(one.id) for batch in batches for one in batch}
    assert await harness.query("SELECT count(*) FROM decisions WHERE kind = 'exit'") == [{"count": 1}]


@pytest.mark.usefixtures("patient_locks")
async def test_goals_reactions_and_merges_of_the_same_people_at_once(harness: Harness, database_url: str) -> None:
    """Whatever comes first, a conversion and its journey belong to the same person, and nothing is refused."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await publish(harness, OFFER)
    people = range(6)

    def anything(person: int) -> Event:
        user, anonymous = rolls.choice([(f"u{person}", None), (None, f"a{person}")])
        match rolls.randrange(5):
            case 0:
                return event("identify", f"u{person}", anonymous=f"a{person}")
            case 1:
                return event("track", user, anonymous=anonymous, name="Cart Emptied")
            case 2:
                return event(
                    "track", user, anonymous=anonymous, name="Cart Abandoned", cart_id=f"c{rolls.randrange(3)}"
                )
            case 3:
                return event("track", user, anonymous=anonymous, name="Email Opened", message_id=str(uuid4()))
            case _:
                return event(
                    "track", user, anonymous=anonymous, name="Order Completed", cart_id=f"c{rolls.randrange(3)}"
                )

    batches = [[anything(person) for person in rolls.sample(people, 4) for _ in range(2)] for _ in range(60)]
    async with Database(database_url, pool_size=10) as one, Database(database_url, pool_size=10) as other:
        processes = [Ingest(one, Catalogue()), Ingest(other, Catalogue())]
        # Known already, each as two: then the batches have only to merge them.
        strangers = [event("identify", None, anonymous=f"a{person}") for person in people]
        await processes[0]([event("identify", f"u{person}") for person in people] + strangers, received_at=AT)
        for start in range(0, len(batches), 12):
            some = enumerate(batches[start : start + 12])
            await asyncio.gather(*(processes[number % 2](batch, received_at=AT) for number, batch in some))
    [counted] = await harness.query("SELECT count(*) AS converted FROM conversions")
    assert counted["converted"] > len(people)
    strays = await harness.query(
        "SELECT 1 FROM conversions JOIN journeys ON journeys.id = journey_id "
        "WHERE conversions.profile_id <> journeys.profile_id OR conversions.campaign_key <> journeys.campaign_key"
    )
    assert strays == []
