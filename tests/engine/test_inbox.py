"""Messages in the inbox: put there once, given within the caps, and withdrawn by what ends their journey."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import psycopg
import pytest

from application.holds import HoldRequest, Holds
from application.merges import Merges
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from domain.sending.gate_answers import Deferred, Granted
from store.inbox import NOTICES, find_given, forget_expired
from tests.engine.dying import Death, die_at
from tests.engine.inbox_harness import BANNER, CARD, InboxHarness, attempt_alone, inbox_harness
from tests.engine.ingesting import event
from tests.harness import MAIL, PATIENCE, now, open_harness
from tests.servers import TemporalServer

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NIGHT, LATER, DUE = AT.replace(hour=23), AT + timedelta(hours=1), AT + timedelta(hours=6)
WEEK = timedelta(days=7)
# No worker takes the journeys up.
TIPS = """
key: tips
name: Tips
entry: {event: Signed Up}
exit: [{event: Account Closed}]
goal: {event: Order Completed, within: 7d}
send_window: {from: "09:00", to: "21:00"}
steps:
  - {id: tip, send: {channel: in_app, template: tip, expires: 30d}}
  - {id: card, send: {channel: in_app, template: card, expires: 30d}}
"""
TEMPLATES = {"tip.liquid": BANNER, "card.liquid": CARD}
MAILS = """
key: mails
name: Mails
entry: {event: Subscribed}
steps: [{id: mail, send: {channel: email, template: mail}}]
"""
ABSENT = """
key: absent
name: Absent
entry: {event: Signed Up}
steps:
  - id: tip
    send: {channel: [in_app, email], template: tip, expires: 7d, fallback: {after: 6h, unless: opened}}
"""
CHOICE = {"tip.in_app.liquid": BANNER, "tip.email.liquid": MAIL}
ONE_A_WEEK = "rules: [{name: one, limit: 1, per: 7d}]"


@pytest.fixture
async def world(database_url: str, temporal: TemporalServer) -> AsyncIterator[InboxHarness]:
    async with open_harness(database_url, temporal, is_working=False) as harness, inbox_harness(harness) as world:
        yield world


async def begin(world: InboxHarness, source: str = TIPS, templates: Mapping[str, str] = TEMPLATES) -> tuple[UUID, UUID]:
    """Let u1 enter a campaign; return the journey and the person."""
    await world.harness.run_campaign(source, templates)
    [journey] = await world.enter(["u1"], "Signed Up", AT, email="u1@example.com")
    return journey, await world.profile("u1")


async def test_a_message_waits_until_its_person_comes(world: InboxHarness) -> None:
    """At night as well: it disturbs no one until its person is there."""
    journey, person = await begin(world)
    tip = await world.send(journey, "tip", NIGHT)
    seen = await world.inbox.read(person, NIGHT)
    [message] = seen.messages
    assert (message.message_id, message.kind, message.given_at, seen.seq) == (tip, "banner", NIGHT, message.seq)
    assert (seen.open, "Hello u1" in str(message.content)) == ([tip], True)
    again = await world.inbox.read(person, NIGHT + timedelta(seconds=1), since=seen.seq)
    assert (again.messages, again.open, again.seq) == ([], [tip], seen.seq)
    async with world.harness.database.transaction() as connection:
        assert await find_given(connection, person, [tip, journey]) == {tip}
        assert await find_given(connection, UUID(int=1), [tip]) == frozenset()


async def test_someone_without_any_address_is_reached(world: InboxHarness) -> None:
    await world.harness.run_campaign(TIPS, TEMPLATES)
    await world.ingest([event("track", None, anonymous="device-1", name="Signed Up")], received_at=AT)
    [row] = await world.harness.query("SELECT id, profile_id FROM journeys")
    tip = await world.send(row["id"], "tip", AT)
    assert (await world.inbox.read(row["profile_id"], AT)).open == [tip]


async def test_caps_count_a_message_from_when_it_is_given(world: InboxHarness) -> None:
    await world.harness.put_caps(ONE_A_WEEK)
    await world.harness.run_campaign(MAILS, {"mail.liquid": MAIL})
    journey, person = await begin(world)
    mailings = await world.enter(["u1"], "Subscribed", AT)
    tip = await world.send(journey, "tip", AT)
    assert (await world.inbox.read(person, LATER)).open == [tip]
    _, answer = await world.ask(mailings[0], "mail", LATER + timedelta(hours=1))
    assert not isinstance(answer, Granted)
    # Once its week is over, the next one goes.
    _, answer = await world.ask(mailings[0], "mail", LATER + WEEK, attempt=2)
    assert isinstance(answer, Granted)


async def test_a_message_without_room_waits_and_gets_its_place_when_it_is_given(world: InboxHarness) -> None:
    """What waits counts for nothing: the mail goes. A card interrupts no one, and is there at once."""
    await world.harness.put_caps(ONE_A_WEEK)
    await world.harness.run_campaign(MAILS, {"mail.liquid": MAIL})
    journey, person = await begin(world)
    tip, card = await world.send(journey, "tip", AT), await world.send(journey, "card", AT)
    [mailing] = await world.enter(["u1"], "Subscribed", AT)
    await world.send(mailing, "mail", LATER)
    first = await world.inbox.read(person, LATER)
    assert (first.open, first.next_poll) == ([card], 30)
    freed = LATER + WEEK
    assert (await world.inbox.read(person, freed - timedelta(seconds=5), since=first.seq)).next_poll == 5
    second = await world.inbox.read(person, freed, since=first.seq)
    assert ([one.message_id for one in second.messages], set(second.open)) == ([tip], {tip, card})
    # The card was given before, and has not been counted: a week later there is room again.
    assert second.seq > first.seq


async def test_the_messages_of_a_place_alone_are_given(world: InboxHarness) -> None:
    journey, person = await begin(world)
    tip, card = await world.send(journey, "tip", AT), await world.send(journey, "card", AT)
    assert (await world.inbox.read(person, AT, placement="feed")).open == [card]
    [waiting] = await world.harness.query("SELECT given_at FROM messages WHERE id = %s", tip)
    assert waiting["given_at"] is None


async def test_the_slot_has_the_first_by_priority(world: InboxHarness) -> None:
    steps = "".join(f"  - {{id: s{n}, send: {{channel: in_app, template: s{n}}}}}\n" for n in range(3))
    source = f"key: slots\nname: Slots\nentry: {{event: Signed Up}}\nsteps:\n{steps}"
    written = "---\nchannel: in_app\nkind: slot\nplacement: hero\npriority: {}\n---\ntext: Number {}\n"
    templates = {f"s{n}.liquid": written.format(priority, n) for n, priority in enumerate((50, 70, 70))}
    journey, person = await begin(world, source, templates)
    sent = [await world.send(journey, f"s{number}", AT) for number in range(3)]
    found = await world.inbox.read_slots(person, ["hero", "foot"], AT)
    assert found["hero"] is not None
    assert (found["hero"].message_id, found["foot"]) == (sent[2], None)
    assert await world.inbox.read_slots(UUID(int=1), ["hero"], AT) == {"hero": None}


@pytest.mark.parametrize("by", ["exit", "goal", "pause", "stop", "refusal", "hold", "expiry"])
async def test_what_ends_its_journey_withdraws_a_message_that_was_given(world: InboxHarness, by: str) -> None:
    """Pages are told at once, but of time, which they know."""
    journey, person = await begin(world)
    tip = await world.send(journey, "tip", AT)
    assert (await world.inbox.read(person, AT)).open == [tip]
    url = world.harness.settings.database_url.get_secret_value()
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as listener:
        await listener.execute(f"LISTEN {NOTICES}")
        at, notice = AT, f"p:{person}"
        match by:
            case "exit":
                await world.ingest([event("track", "u1", name="Account Closed")], received_at=AT)
            case "goal":
                await world.ingest([event("track", "u1", name="Order Completed")], received_at=AT)
            case "pause" | "stop":
                mode = {"mode": "exit"} if by == "stop" else None
                await world.harness.admin("POST", f"/v1/campaigns/tips/{by}", mode)
                notice = "c:tips"
            case "refusal":
                await world.ingest([event("identify", "u1", consent={"in_app": False})], received_at=AT)
            case "hold":
                hold = HoldRequest(PersonRef("u1", "user"), now() + WEEK, "a complaint")
                await Holds(world.harness.database).place(hold, by=SOJOURN)
            case _:
                at, notice = AT + timedelta(days=30), ""
        seen = await world.inbox.read(person, at)
        assert (seen.messages, seen.open) == ([], [])
        if notice:
            heard = [one.payload async for one in listener.notifies(timeout=PATIENCE, stop_after=1)]
            assert heard == [notice]
    if by == "pause":
        await world.harness.admin("POST", "/v1/campaigns/tips/resume")
        assert (await world.inbox.read(person, AT)).open == [tip]


async def test_a_journey_that_completes_leaves_its_messages(world: InboxHarness) -> None:
    journey, person = await begin(world)
    tip = await world.send(journey, "tip", AT, ends_with="completed")
    assert (await world.inbox.read(person, AT)).open == [tip]


async def test_a_message_after_the_goal_stays(world: InboxHarness) -> None:
    """As the thanks for an order do."""
    journey, person = await begin(world)
    await world.send(journey, "tip", AT)
    await world.ingest([event("track", "u1", name="Order Completed")], received_at=AT)
    card = await world.send(journey, "card", AT)
    assert (await world.inbox.read(person, AT)).open == [card]


async def test_one_that_exits_while_it_is_sent_leaves_nothing(world: InboxHarness) -> None:
    """As no page can have it, nothing was sent, and nothing counts."""
    journey, person = await begin(world)
    message, answer = await world.ask(journey, "tip", AT)
    assert isinstance(answer, Granted)
    world.in_app.is_open.clear()
    attempt = asyncio.create_task(world.attempt(message, AT))
    await world.in_app.reached.wait()
    await world.ingest([event("track", "u1", name="Account Closed")], received_at=AT)
    world.in_app.is_open.set()
    assert await attempt == "cancelled"
    assert await world.harness.query("SELECT 1 FROM inbox") == []
    [row] = await world.harness.query("SELECT state, reason FROM messages")
    assert (row["state"], row["reason"]) == ("cancelled", "journey_ended")
    assert (await world.inbox.read(person, AT)).open == []


DEATHS = [
    Death("store.messages", "mark_sending", is_after=True),
    Death("store.messages", "settle"),
    Death("store.inbox", "insert"),
    Death("store.inbox", "insert", is_after=True),
]


@pytest.mark.parametrize("death", DEATHS, ids=str)
async def test_it_is_in_the_inbox_once_whenever_a_worker_is_killed(
    world: InboxHarness, tmp_path: Path, death: Death
) -> None:
    journey, person = await begin(world)
    message, answer = await world.ask(journey, "tip", AT)
    assert isinstance(answer, Granted)
    url = world.harness.settings.database_url.get_secret_value()
    await die_at(death, tmp_path / "log", attempt_alone, url, message, AT)
    assert await world.harness.query("SELECT 1 FROM inbox") == []
    assert (await world.inbox.read(person, AT)).open == []
    assert await world.attempt(message, AT) == "sent"
    assert await world.attempt(message, AT) == "sent"
    assert (await world.inbox.read(person, AT)).open == [message]


async def test_an_exit_after_a_death_cancels_it(world: InboxHarness, tmp_path: Path) -> None:
    """Elsewhere its outcome would be unknown; here an attempt that died has left nothing."""
    journey, _ = await begin(world)
    message, _ = await world.ask(journey, "tip", AT)
    url = world.harness.settings.database_url.get_secret_value()
    await die_at(Death("store.messages", "settle"), tmp_path / "log", attempt_alone, url, message, AT)
    await world.ingest([event("track", "u1", name="Account Closed")], received_at=AT)
    assert await world.attempt(message, AT) == "cancelled"


async def test_the_absent_get_the_mail_instead(world: InboxHarness) -> None:
    """It is withdrawn first, and then the mail goes."""
    journey, person = await begin(world, ABSENT, CHOICE)
    tip = await world.send(journey, "tip", AT)
    assert (await world.inbox.read(person, AT)).open == [tip]
    mail, early = await world.ask(journey, "tip.fallback", LATER)
    assert isinstance(early, Deferred)
    assert early.until == DUE
    mail, answer = await world.ask(journey, "tip.fallback", DUE, attempt=2)
    assert isinstance(answer, Granted)
    assert (await world.inbox.read(person, DUE)).open == [tip]
    world.mail.is_open.clear()
    attempt = asyncio.create_task(world.attempt(mail, DUE))
    await world.mail.reached.wait()
    assert (await world.inbox.read(person, DUE)).open == []
    world.mail.is_open.set()
    assert await attempt == "sent"
    assert (await world.inbox.read(person, DUE)).open == []


async def test_who_was_shown_it_gets_no_mail(world: InboxHarness) -> None:
    journey, person = await begin(world, ABSENT, CHOICE)
    tip = await world.send(journey, "tip", AT)
    await world.inbox.read(person, LATER)
    await world.react(tip, "opened", LATER)
    mail, _ = await world.ask(journey, "tip.fallback", DUE)
    [row] = await world.harness.query("SELECT reason FROM decisions WHERE step = 'tip.fallback'")
    assert (row["reason"], world.mail.got) == ("not_needed", [])
    # Those who had it granted before, neither.
    assert mail == uuid5(journey, "tip.fallback/1")


async def test_reactions_are_in_the_ledger_and_events(world: InboxHarness) -> None:
    journey, person = await begin(world)
    tip, card = await world.send(journey, "tip", AT), await world.send(journey, "card", AT)
    await world.inbox.read(person, AT)
    for number in range(2):
        await world.react(tip, "opened", AT + timedelta(minutes=number), id=f"{tip} opened {number}")
        await world.react(tip, "opened", AT + timedelta(minutes=number), id=f"{tip} opened {number}")
    await world.react(card, "clicked", LATER)
    await world.react(card, "dismissed", LATER)
    seen = {one.message_id: one for one in (await world.inbox.read(person, LATER)).messages}
    assert (seen[tip].shows, seen[tip].shown_at) == (2, AT)
    assert card not in seen
    events = await world.harness.query(
        "SELECT name, count(*) AS number FROM events WHERE name LIKE 'Message %%' GROUP BY name ORDER BY name"
    )
    assert [(one["name"], one["number"]) for one in events] == [
        ("Message Clicked", 1),
        ("Message Dismissed", 1),
        ("Message Shown", 2),
    ]


async def test_the_timeline_says_where_a_message_is(world: InboxHarness) -> None:
    async def line(step: str) -> str:
        items = await world.harness.timeline("u1")
        [found] = [one["summary"] for one in items if one["kind"] == "message" and one["step"] == step]
        return str(found)

    # By the clock of the deployment: what expires is said as of now.
    at = now()
    journey, person = await begin(world)
    tip = await world.send(journey, "tip", at)
    await world.send(journey, "card", at)
    assert await line("tip") == "tip: in_app tip sent, waits for the person"
    await world.inbox.read(person, at)
    assert (await line("tip")).startswith("tip: in_app tip sent, given at 20")
    await world.react(tip, "opened", at)
    assert (await line("tip")).startswith("tip: in_app tip sent (shown), given at 20")
    await world.ingest([event("track", "u1", name="Account Closed")], received_at=at)
    assert await line("tip") == "tip: in_app tip sent (shown), withdrawn: the journey ended"
    assert await line("card") == "card: in_app card sent, withdrawn before it was shown: the journey ended"


async def test_a_merge_brings_the_messages_along_and_its_undo_returns_them(world: InboxHarness) -> None:
    journey, person = await begin(world)
    tip = await world.send(journey, "tip", AT)
    await world.ingest([event("identify", "u2")], received_at=AT)
    other = await world.profile("u2")
    merges = Merges(world.harness.database, world.catalogue)
    await merges.merge("u2", "u1", by=SOJOURN)
    assert (await world.inbox.read(other, AT)).open == [tip]
    await merges.undo("u2", "u1", by=SOJOURN)
    assert (await world.inbox.read(person, AT)).open == [tip]
    assert (await world.inbox.read(other, AT)).open == []


async def test_what_expired_long_ago_is_deleted(world: InboxHarness) -> None:
    journey, _ = await begin(world)
    await world.send(journey, "tip", AT - timedelta(days=70))
    card = await world.send(journey, "card", now())
    async with world.harness.database.transaction() as connection:
        assert [await forget_expired(connection, limit=1) for _ in range(2)] == [True, False]
    assert [row["message_id"] for row in await world.harness.query("SELECT message_id FROM inbox")] == [card]
