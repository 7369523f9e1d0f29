"""Processes that die by `kill -9` in the middle of their work: another does the rest of it, and nothing twice."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.sending.circuit import PROBE_SECONDS
from domain.sending.routes import DailyLimit
from domain.sending.tracking.tokens import PIXEL, TRAP
from store import circuits, operations, tracked_links
from tests.channels.servers import SILENCE, listening, scripted_smtp
from tests.engine.computed_harness import event
from tests.engine.dying import Death, die_at, start
from tests.engine.killed_work import PAGE, PROVIDER, judge_links, judge_people, score_people, take_messages
from tests.engine.rfm_harness import NAMES, NIGHT, calculate, rfm_harness
from tests.engine.segment_harness import SegmentHarness, segment_harness
from tests.harness import PATIENCE, looks, open_harness
from tests.processes import worker_process
from tests.proofs import IS_LONG, rounds
from tests.servers import TemporalServer

LETTER = """
key: letter
name: Letter
entry: {event: Signed Up}
exit: [{event: Email Link Clicked}]
steps: [{id: rest, delay: 30d}]
"""
JOINED = """
key: joined
name: Joined
entry: {joins: pro}
steps: [{id: rest, delay: 30d}]
"""
NOTE = """
key: note
name: Note
entry: {event: Signed Up}
steps: [{id: note, send: {channel: email, template: note, category: marketing}}]
"""


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages as those that are killed have them."""
    monkeypatch.setattr("application.segments.PAGE", PAGE)


VERDICTS = [
    Death("store.message_marks", "mark", is_after=True),
    Death("store.tracked_links", "write_verdicts"),
    Death("store.tracked_links", "write_verdicts", is_after=True),
]


@pytest.mark.parametrize("death", VERDICTS, ids=str)
async def test_a_killed_verdict_is_given_once(database_url: str, tmp_path: Path, death: Death) -> None:
    """Before the report of a click is committed, after it, and before the verdict is."""
    async with segment_harness(database_url) as harness:
        await harness.run_campaign(LETTER)
        person, machine = [await send_letter(harness, user) for user in ("person", "machine")]
        await follow(harness, person, PIXEL, 0)
        await follow(harness, machine, PIXEL, 0, 1, TRAP)
        await die_at(death, tmp_path / "log", judge_links, database_url)
        # The killed process held the right to judge, which PostgreSQL takes back once it knows.
        async for is_last in looks(PATIENCE):
            await judge_links(database_url)
            if not await rows(harness, "SELECT FROM link_hits WHERE is_person IS NULL"):
                break
            assert not is_last
        assert await rows(harness, "SELECT is_person, count(*) AS n FROM link_hits GROUP BY 1 ORDER BY 1") == [
            {"is_person": False, "n": 4},
            {"is_person": True, "n": 2},
        ]
        heard = "SELECT user_id, name FROM events WHERE source = 'sojourn' ORDER BY name"
        assert await rows(harness, heard) == [
            {"user_id": "person", "name": "Email Link Clicked"},
            {"user_id": "person", "name": "Email Opened"},
        ]
        marks = (
            "SELECT clicked_at IS NOT NULL AS clicked, machine_at IS NOT NULL AS machine FROM messages WHERE id = %s"
        )
        assert await rows(harness, marks, person) == [{"clicked": True, "machine": False}]
        assert await rows(harness, marks, machine) == [{"clicked": False, "machine": True}]
        ended = "SELECT user_id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE state = 'exited'"
        assert await rows(harness, ended) == [{"user_id": "person"}]


JUDGEMENTS = [
    Death("store.segments", "write_changes", call=2, is_after=True),
    Death("store.operations", "advance", call=3),
    Death("store.operations", "advance", call=3, is_after=True),
    Death("store.segments", "mark_ready", is_after=True),
]


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("death", JUDGEMENTS, ids=str)
async def test_a_killed_judgement_moves_each_person_once(database_url: str, tmp_path: Path, death: Death) -> None:
    users = [f"u{number:03}" for number in range(4 * PAGE + 5)]
    pro = users[::2]
    async with segment_harness(database_url) as harness:
        await harness.ingest(
            *(event(None, user, type="identify", plan="pro" if user in pro else "free") for user in users)
        )
        await harness.put("trigger", pro='profile.traits.plan == "pro"')
        await harness.run_campaign(JOINED)
        await die_at(death, tmp_path / "log", judge_people, database_url)
        # Two who were not reached, one of whom becomes a member by the event.
        await harness.ingest(
            event("Seen", users[-1]),
            event(None, users[-2], type="identify", plan="pro"),
        )
        await judge_people(database_url)
        members = sorted({*pro, users[-1], users[-2]})
        assert await harness.members() == {"pro": members}
        assert sorted(user for user, *_ in await harness.changes()) == members
        assert await harness.entered() == members
        async with harness.database.transaction() as connection:
            [done] = await operations.list_latest(connection, 10, None)
        assert (done.state, done.done) == ("done", len(users))


NIGHTS = [
    Death("application.rfm_scores", "put_segments", is_after=True),
    Death("store.operations", "advance"),
    Death("store.operations", "advance", call=3),
    Death("store.segments", "mark_ready"),
]


@pytest.mark.prove
@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("death", NIGHTS if IS_LONG else NIGHTS[:3:2], ids=str)
async def test_a_killed_night_scores_everyone_once(database_url: str, tmp_path: Path, death: Death) -> None:
    """While the breakpoints are computed, and while people are judged by them; by a calculation of its own."""
    async with rfm_harness(database_url) as harness:
        now = datetime.now(UTC)
        harness.set_clock(now)
        orders = {
            f"u{number:03}": [(now - timedelta(days=number % 11, hours=1), 10.0)] * (1 + number % 5)
            for number in range(110)
        }
        await harness.order(orders)
        await harness.apply_rfm()
        night = now + NIGHT
        harness.set_clock(night)
        for user in list(orders)[:40]:
            await harness.ingest(event("Order Completed", user, at=night, value=1), at=night)
            orders[user] = [*orders[user], (night, 1.0)]
        await harness.request_scores()
        await die_at(death, tmp_path / "log", score_people, database_url, night)
        await score_people(database_url, night)
        assert await harness.count("operations WHERE finished_at IS NULL") == 0
        assert await harness.count("rfm_days WHERE as_of IS NOT NULL") == 2
        assert await harness.count("segments WHERE key = 'rfm.champions' AND version = 3") == 1
        wanted: dict[str, list[str]] = {}
        for user, scored in sorted(calculate(orders, night).items()):
            wanted.setdefault(f"rfm.{NAMES[scored.recency, scored.frequency]}", []).append(user)
        assert await harness.members() == wanted
        standing: Counter[tuple[str, str]] = Counter()
        for user, key, has_joined, _ in await harness.changes():
            standing[user, key] += 1 if has_joined else -1
            assert standing[user, key] in (0, 1), (user, key)


@pytest.mark.prove
async def test_killed_processes_lose_no_place_of_a_warm_up_and_take_none_twice(
    database_url: str, tmp_path: Path
) -> None:
    """What they have leased stays for the others, and of what was not committed nothing was taken."""
    now = datetime.now(UTC)
    limit = DailyLimit(now.date(), rounds(1_500, 20_000), now)
    async with segment_harness(database_url) as harness:
        await execute(harness, "CREATE TABLE taken (number bigint GENERATED ALWAYS AS IDENTITY)")
        for death in (Death("store.leases", "_lease"), Death("store.leases", "_lease", call=3, is_after=True)):
            await die_at(death, tmp_path / f"log-{death}", take_messages, database_url, limit)
        for number in range(rounds(2, 20)):
            before = await harness.count("taken")
            processes = [
                start(tmp_path / f"log-{number}-{each}", take_messages, database_url, limit) for each in range(2)
            ]
            async for is_last in looks(PATIENCE):
                if await harness.count("taken") > before + 50:
                    break
                assert not is_last
            for process in processes:
                process.kill()
                await process.wait()
        assert await harness.count("taken") < limit.messages, "they were to die before the day was full"
        await take_messages(database_url, limit)
        assert await harness.count("taken") == limit.messages
        [day] = await rows(
            harness,
            "SELECT sum(used)::int AS used, sum(leased)::int AS leased FROM leases "
            "WHERE name = 'warm-up:' || %s AND slot > 0",
            PROVIDER,
        )
        assert day == {"used": limit.messages, "leased": limit.messages}


class MailServer:
    """Takes mails once it is not silent any more."""

    is_silent = True

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await scripted_smtp(**({"DOT": SILENCE} if self.is_silent else {}))(reader, writer)


@pytest.mark.takes_long
async def test_a_worker_that_dies_as_it_probes_a_provider_leaves_the_next_probe_to_another(
    database_url: str, temporal: TemporalServer
) -> None:
    """The circuit stays open for another minute, and no longer."""
    server = MailServer()
    due = "UPDATE provider_circuits SET probe_at = clock_timestamp() RETURNING provider"
    async with (
        listening(server.talk) as port,
        open_harness(database_url, temporal, is_working=False) as harness,
    ):
        source = f"providers:\n  only: {{kind: smtp, channel: email, host: 127.0.0.1, port: {port}, security: none}}\n"
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})
        await harness.run_campaign(NOTE)
        async with harness.database.transaction() as connection:
            await circuits.record_failure(connection, "only", "faulty", "login", "refused")
        await harness.query(due)
        for user in ("u1", "u2", "u3"):
            await harness.identify(user, email=f"{user}@example.com")
        async with worker_process(harness.settings) as dies:
            await harness.track("u1", "Signed Up")
            await harness.messages.until(state="sending")
            dies.kill()
        server.is_silent = False
        left = "SELECT extract(epoch FROM probe_at - clock_timestamp())::float8 AS seconds FROM provider_circuits"
        async with worker_process(harness.settings):
            await harness.track("u2", "Signed Up")
            await harness.messages.until(state="reserved")
            [circuit] = await harness.query(left)
            assert 0 < circuit["seconds"] <= PROBE_SECONDS
            # As a minute later.
            await harness.query(due)
            await harness.track("u3", "Signed Up")
            await harness.messages.until(state="sent")
            await harness.until("SELECT FROM provider_circuits HAVING count(*) = 0")


async def send_letter(harness: SegmentHarness, user: str) -> UUID:
    """A message that a user has had for an hour, with two links."""
    await harness.ingest(event("Signed Up", user))
    async with harness.database.transaction() as connection:
        cursor = await connection.execute(
            """
            INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                                  state, at, expires_at, settled_at, attempts, provider, address)
            SELECT gen_random_uuid(), journeys.id, profile_id, campaign_key, 'hello', 1, 'email', 'marketing', 'note',
                   'sent', now() - interval '1 h', now() + interval '1 d', now() - interval '1 h', 1, 'smtp', %s
            FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = %s
            RETURNING id
            """,
            (f"{user}@example.com", user),
        )
        [row] = await cursor.fetchall()
        await tracked_links.keep(connection, row["id"], ["https://example.com/a", "https://example.com/b"])
    id: UUID = row["id"]
    return id


async def follow(harness: SegmentHarness, message: UUID, *numbers: int) -> None:
    """Ask for these addresses of a message, at once, ten minutes ago."""
    async with harness.database.transaction() as connection:
        for number in numbers:
            await tracked_links.record_hit(connection, message, number, "browser", is_head=False, is_confirmed=False)
        await connection.execute(
            """
            UPDATE link_hits SET at = at - interval '10 min', due_at = due_at - interval '10 min' WHERE message_id = %s
            """,
            (message,),
        )


async def rows(harness: SegmentHarness, sql: str, *parameters: object) -> list[dict[str, object]]:
    async with harness.database.transaction() as connection:
        return await (await connection.execute(sql, parameters)).fetchall()


async def execute(harness: SegmentHarness, sql: str) -> None:
    async with harness.database.transaction() as connection:
        await connection.execute(sql)
