"""No fallback is claimed once a reaction to the message before it was acknowledged."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4, uuid5

import pytest

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.link_tracking import FollowedLinks, LinkVerdicts
from application.reports import Reports
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.errors import UnavailableError
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import Never
from domain.sending.gate_answers import Granted
from domain.sending.ledger_marks import HeldClick
from domain.sending.reports import ProviderReport
from domain.sending.tracking.tokens import PIXEL, TrackedLink, sign
from store import tracked_links
from store.database import Database
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.ingesting import event
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import Provider
from tests.harness import MAIL, Harness, open_harness
from tests.proofs import rounds
from tests.servers import TemporalServer

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
DUE = AT + timedelta(hours=6)
# No worker takes the journeys up: what is sent here is sent by the races alone.
CAMPAIGN = """
key: nudge
name: Nudge
entry: {event: Signed Up}
steps:
  - {id: nudge, send: {channel: [webhook, email], template: note, fallback: {after: 6h, unless: opened}}}
"""
TEMPLATES = {
    "note.webhook.liquid": "---\nchannel: webhook\nurl: https://example.com/push\n---\ntext: Hello\n",
    "note.email.liquid": MAIL,
}
# Openings are written under the lock of the message: a claim that they do not see comes after them.
AUDIT = """
CREATE TABLE audit (message_id uuid, kind text, xid xid8 DEFAULT pg_current_xact_id(), before pg_snapshot);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO audit (message_id, kind, before)
  VALUES ((to_jsonb(NEW) ->> TG_ARGV[0])::uuid, TG_ARGV[1], pg_current_snapshot());
  RETURN NULL;
END $$;
CREATE TRIGGER note_opening AFTER UPDATE OF opened_at ON messages
FOR EACH ROW WHEN (NEW.opened_at IS NOT NULL) EXECUTE FUNCTION note('id', 'opening');
CREATE TRIGGER note_claim AFTER UPDATE OF state ON messages
FOR EACH ROW WHEN (NEW.state = 'sending' AND NEW.fallback_of IS NOT NULL)
EXECUTE FUNCTION note('fallback_of', 'claim');
"""
TOO_LATE = """
SELECT message_id FROM audit AS claim JOIN audit AS opening USING (message_id)
WHERE claim.kind = 'claim' AND opening.kind = 'opening' AND NOT pg_visible_in_snapshot(claim.xid, opening.before)
"""
RACES, GROUP = rounds(60, 10_000), 10
SEED = 20_261_201


@dataclass
class Racers:
    """The two sides, as a worker and an API process have them."""

    ingest: Ingest
    reports: Reports
    gate: StepDecisions
    sender: Sender

    async def send(self, journey: UUID, step: str, at: datetime) -> str:
        """Ask for a message and make an attempt to send it; what becomes of it."""
        asked = AuthorizeRequest(journey, step, 1, 1, at, at, None, UNRECORDED)
        assert isinstance(await self.gate.authorize(asked), Granted)
        return await self.attempt(asked.message_id, at)

    async def attempt(self, message: UUID, at: datetime) -> str:
        outcome = await self.sender.send(message, at=at, ends_with=None, next_positions=UNRECORDED)
        return outcome.state

    async def open(self, message: UUID, *, by_app: bool) -> None:
        """Report that the message was opened; once it returns, that is acknowledged."""
        if by_app:
            opened = event("track", None, anonymous=f"device-{message}", name="Push Opened", message_id=str(message))
            await self.ingest([opened], received_at=DUE)
        else:
            told = ProviderReport(kind="opened", event_id=str(uuid4()), message_id=message, at=DUE)
            await self.reports.apply("http", [told], received_at=DUE)


@asynccontextmanager
async def racers(harness: Harness) -> AsyncIterator[Racers]:
    url = harness.settings.database_url.get_secret_value()
    async with Database(url, pool_size=GROUP) as api, Database(url, pool_size=GROUP) as worker:
        providers = FixedProviders({"webhook": Provider("http", Never()), "email": Provider("smtp", Never())})
        heard, catalogue = Catalogue(), Catalogue()
        ingest = Ingest(api, heard)
        yield Racers(
            ingest,
            Reports(api, heard, ingest),
            StepDecisions(worker, catalogue, "UTC"),
            Sender(worker, catalogue, providers, lambda *_: "https://example.com", link_tracker(worker), "UTC"),
        )


async def begin(harness: Harness, racers: Racers, users: list[str]) -> list[UUID]:
    """Journeys of these users, whose first message was sent."""
    signed_up = [event("identify", user, email=f"{user}@example.com") for user in users]
    signed_up += [event("track", user, name="Signed Up") for user in users]
    await racers.ingest(signed_up, received_at=AT)
    rows = await harness.query(
        "SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = ANY(%s)", users
    )
    journeys = [row["id"] for row in rows]
    assert await asyncio.gather(*(racers.send(one, "nudge", AT) for one in journeys)) == ["sent"] * len(users)
    return journeys


@pytest.mark.prove
async def test_no_fallback_is_claimed_after_the_opening_was_acknowledged(
    database_url: str, temporal: TemporalServer
) -> None:
    """The openings are reported by a provider, or by a device that nobody knows: the message is what both lock."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    acknowledged: dict[UUID, datetime] = {}
    async with open_harness(database_url, temporal, is_working=False) as harness, racers(harness) as racing:
        await harness.run_campaign(CAMPAIGN, TEMPLATES)
        async with harness.database.transaction() as connection:
            await connection.execute(AUDIT)

        async def race(journey: UUID, lead: float, *, by_app: bool) -> str:
            """Begin to report the opening so long before the fallback is sent, or after it if below zero."""
            message, fallback = (uuid5(journey, f"{step}/1") for step in ("nudge", "nudge.fallback"))

            async def open_it() -> None:
                await asyncio.sleep(max(0.0, -lead))
                await racing.open(message, by_app=by_app)
                [now] = await harness.query("SELECT clock_timestamp() AS at")
                acknowledged[fallback] = now["at"]

            async def send_it() -> str:
                await asyncio.sleep(max(0.0, lead))
                return await racing.attempt(fallback, DUE)

            state, _ = await asyncio.gather(send_it(), open_it())
            return state

        # How long an opening takes depends on the machine: each group shifts the next one's leads towards the middle.
        states: list[str] = []
        shift = 0.0
        for first in range(0, RACES, GROUP):
            journeys = await begin(harness, racing, [f"u{number}" for number in range(first, first + GROUP)])
            for journey in journeys:
                asked = AuthorizeRequest(journey, "nudge.fallback", 1, 1, AT, DUE, None, UNRECORDED)
                assert isinstance(await racing.gate.authorize(asked), Granted)
            group = await asyncio.gather(
                *(race(one, shift + rolls.uniform(-0.03, 0.03), by_app=rolls.random() < 0.5) for one in journeys)
            )
            states += group
            shift += 0.1 * (group.count("sent") / GROUP - 0.5)
        assert await harness.query(TOO_LATE) == []
        fallbacks = await harness.query(
            "SELECT id, state, reason, claimed_at FROM messages WHERE fallback_of IS NOT NULL"
        )
        claimed = [one for one in fallbacks if one["claimed_at"] is not None]
        assert [one for one in claimed if one["claimed_at"] > acknowledged[one["id"]]] == []
        outcomes = {(one["state"], one["reason"]) for one in fallbacks}
        # Both sides have won.
        assert outcomes == {("sent", None), ("cancelled", "not_needed")}
        assert (len(fallbacks), states.count("sent")) == (RACES, len(claimed))
        print(f"{len(claimed)} claimed, {RACES - len(claimed)} not needed")  # noqa: T201


BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
SECRETS = ["secret-of-the-links-of-a-test-1234"]


async def test_a_fallback_waits_until_it_is_known_who_opened_the_message(
    database_url: str, temporal: TemporalServer
) -> None:
    """Tracked openings, and clicks that providers report, are acknowledged at once and judged a minute later."""
    async with open_harness(database_url, temporal, is_working=False) as harness, racers(harness) as racing:
        await harness.run_campaign(CAMPAIGN, TEMPLATES)
        everyone = person, reported, machine = await begin(harness, racing, ["u1", "u2", "u3"])
        links = FollowedLinks(harness.database, SECRETS)
        for journey in everyone:
            asked = AuthorizeRequest(journey, "nudge.fallback", 1, 1, AT, DUE, None, UNRECORDED)
            assert isinstance(await racing.gate.authorize(asked), Granted)
            async with harness.database.transaction() as connection:
                await tracked_links.keep(
                    connection, uuid5(journey, "nudge/1"), ["https://a.example", "https://b.example"]
                )
        # No person opens a mail within two seconds, or follows two links at once.
        await harness.query("UPDATE messages SET settled_at = settled_at - interval '1 hour' RETURNING 1")
        await links.open(sign(SECRETS, TrackedLink(uuid5(person, "nudge/1"), PIXEL)), BROWSER)
        for number in range(2):
            await links.follow(sign(SECRETS, TrackedLink(uuid5(machine, "nudge/1"), number)), BROWSER)
        async with harness.database.transaction() as connection:
            click = HeldClick(uuid5(reported, "nudge/1"), connection.clock.now(), "https://a.example", is_machine=False)
            await tracked_links.hold(connection, [click])
        for journey in everyone:
            with pytest.raises(UnavailableError) as waiting:
                await racing.attempt(uuid5(journey, "nudge.fallback/1"), DUE)
            assert 0 < (waiting.value.data["retry_after"] or 0) <= 60
        back = "interval '61 s'"
        await harness.query(f"UPDATE link_hits SET at = at - {back}, due_at = due_at - {back} RETURNING 1")  # noqa: S608
        await LinkVerdicts(harness.database, racing.reports).sweep()
        states = [await racing.attempt(uuid5(journey, "nudge.fallback/1"), DUE) for journey in everyone]
        assert states == ["cancelled", "cancelled", "sent"]
