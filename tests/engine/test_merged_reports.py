"""Reports that arrive after a merge, or after its undo, reach the person whose message it is."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.catalogue import Catalogue
from application.merges import Merges
from application.reports import Reports
from domain.access import Actor
from domain.errors import ConflictError, NotFoundError
from domain.sending.reports import ProviderReport, ReportKind
from store.database import Database
from tests.engine.test_reports import PROVIDER, handed_over, reports, suppressed
from tests.harness import Harness, now
from tests.proofs import rounds

__all__ = ["reports"]  # a fixture

BY = Actor("k1", "support")
SEED = 20_261_202
LETTER = """
key: letter
name: Letter
entry: {event: Signed Up, reentry: always}
steps:
  - {id: rest, delay: 30d}
  - {id: hello, send: {channel: email, template: note, category: transactional}}
"""
AFTER = """
key: after
name: After a bounce
entry: {event: Email Bounced, reentry: always}
steps: [{id: rest, delay: 30d}]
"""
EVENTS = """
SELECT profiles.user_id, events.name, properties ->> 'message_id' AS message_id
FROM events JOIN profiles ON profiles.id = profile_id WHERE events.name LIKE 'Email %%' ORDER BY recorded_at
"""


@pytest.fixture
async def merges(database_url: str) -> AsyncIterator[Merges]:
    async with Database(database_url, pool_size=10) as database:
        yield Merges(database, Catalogue())


def said(message: UUID, kind: ReportKind, id: str | None = None, **more: Any) -> ProviderReport:
    """A report of this moment: merges are dated by the database."""
    return ProviderReport(kind=kind, event_id=id or str(uuid4()), message_id=message, at=now(), **more)


async def apply(reports: Reports, *told: ProviderReport) -> None:
    await reports.apply(PROVIDER, told, received_at=now())


async def reported(harness: Harness) -> list[tuple[str, str]]:
    """The reports that are events, with the persons who have them."""
    return [(row["user_id"], row["name"]) for row in await harness.query(EVENTS)]


async def owner(harness: Harness, id: UUID) -> str:
    [row] = await harness.messages.all(id=id)
    return str(row["user_id"])


async def two(harness: Harness) -> tuple[UUID, UUID]:
    """A message to each of two users."""
    await harness.run_campaign(LETTER)
    await harness.run_campaign(AFTER)
    [first] = await handed_over(harness, "a")
    [second] = await handed_over(harness, "b")
    return first, second


async def test_a_report_after_a_merge_is_of_the_one_who_stays_and_returns_with_the_message(
    harness: Harness, reports: Reports, merges: Merges
) -> None:
    of_a, of_b = await two(harness)
    await merges.merge("b", "a", by=BY)
    await apply(reports, said(of_a, "bounced", bounce="hard"), said(of_b, "clicked", link="https://shop.example/x"))
    assert {await owner(harness, of_a), await owner(harness, of_b)} == {"b"}
    assert sorted(await reported(harness)) == [("b", "Email Bounced"), ("b", "Email Link Clicked")]
    [begun] = await harness.journeys.all(campaign_key="after")
    assert begun["user_id"] == "b"
    assert await suppressed(harness) == {"a@example.com": "bounced"}

    await merges.undo("b", "a", by=BY)
    assert (await owner(harness, of_a), await owner(harness, of_b)) == ("a", "b")
    assert sorted(await reported(harness)) == [("a", "Email Bounced"), ("b", "Email Link Clicked")]
    # So does the journey that the report began, and the refusal stays with the address.
    [begun] = await harness.journeys.all(campaign_key="after")
    assert begun["user_id"] == "a"
    assert await suppressed(harness) == {"a@example.com": "bounced"}
    assert [line["summary"] for line in await harness.timeline("a")].count("Email Bounced") == 1
    assert "Email Bounced" not in [line["summary"] for line in await harness.timeline("b")]


async def test_a_report_after_the_undo_is_of_the_one_who_was_merged(
    harness: Harness, reports: Reports, merges: Merges
) -> None:
    of_a, of_b = await two(harness)
    await apply(reports, said(of_a, "opened", id="before"))
    await merges.merge("b", "a", by=BY)
    assert await reported(harness) == [("b", "Email Opened")]
    await merges.undo("b", "a", by=BY)
    await apply(
        reports, said(of_a, "complained"), said(of_b, "bounced", bounce="hard"), said(of_a, "opened", id="before")
    )
    assert await reported(harness) == [("a", "Email Opened"), ("a", "Email Marked as Spam"), ("b", "Email Bounced")]
    assert await suppressed(harness) == {"a@example.com": "complained", "b@example.com": "bounced"}
    row = (await harness.messages.all(id=of_a))[0]
    assert row["complained_at"] is not None


async def test_the_suppression_of_an_address_binds_whoever_has_it(
    harness: Harness, reports: Reports, merges: Merges
) -> None:
    """The merged person had the address; after the undo it is theirs again, and the other one's is free."""
    of_a, _ = await two(harness)
    await merges.merge("b", "a", by=BY)
    await apply(reports, said(of_a, "bounced", bounce="hard"))
    assert (await refusals(harness, "b"))["b"] is None
    await merges.undo("b", "a", by=BY)
    assert await refusals(harness, "a", "b") == {"a": "suppressed: the address is suppressed: bounced", "b": None}


async def refusals(harness: Harness, *users: str) -> dict[str, str | None]:
    """Why each of these users gets no e-mail."""
    found = {user: await harness.admin("GET", f"/v1/users/{user}") for user in users}
    return {user: person["consent"]["email"]["refusal"] for user, person in found.items()}


@pytest.mark.parametrize("entered_as", ["anonymous", "member"])
async def test_a_report_about_one_who_entered_under_another_name_returns_too(
    harness: Harness, reports: Reports, merges: Merges, entered_as: str
) -> None:
    """The event names the person as they are called since the merge."""
    if entered_as == "anonymous":
        await harness.run_campaign(LETTER)
        joined = {"anonymousId": "device", "event": "Signed Up", "properties": {}, "messageId": "m1"}
        await harness.post("track", joined)
        await harness.post("identify", {"userId": "a", "anonymousId": "device", "traits": {"email": "a@example.com"}})
    else:
        await harness.run_campaign(LETTER.replace("Signed Up", "Signed Up, account: true"))
        await harness.identify("a", email="a@example.com")
        for user in ("a", "boss"):
            await harness.post("group", {"userId": user, "groupId": "acme", "traits": {"role": "admin"}})
        await harness.track("boss", "Signed Up")
    await harness.identify("b", email="b@example.com")
    [message] = await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                              state, at, expires_at, attempts, provider, address)
        SELECT gen_random_uuid(), journeys.id, profiles.id, campaign_key, 'hello', 1, 'email', 'marketing', 'note',
               'sent', now(), now() + interval '9 days', 1, %s, 'a@example.com'
        FROM journeys, profiles WHERE profiles.user_id = 'a' RETURNING id
        """,
        PROVIDER,
    )
    await merges.merge("b", "a", by=BY)
    await apply(reports, said(message["id"], "opened"))
    assert await reported(harness) == [("b", "Email Opened")]
    await merges.undo("b", "a", by=BY)
    assert await owner(harness, message["id"]) == "a"
    assert await reported(harness) == [("a", "Email Opened")]


@pytest.mark.prove
async def test_reports_beside_merges_and_undos_end_with_their_messages(
    harness: Harness, reports: Reports, merges: Merges, patient_locks: None
) -> None:
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await harness.run_campaign(LETTER)
    messages = {user: await handed_over(harness, user, *["sent"] * rounds(12, 60)) for user in ("a", "b")}
    waiting = [id for ids in messages.values() for id in ids]
    rolls.shuffle(waiting)

    async def report() -> None:
        while waiting:
            await apply(reports, said(waiting.pop(), rolls.choice(["opened", "clicked", "bounced"]), bounce="content"))

    async def merge_and_undo() -> None:
        while waiting:
            await merges.merge("b", "a", by=BY)
            await asyncio.sleep(rolls.uniform(0, 0.05))
            await merges.undo("b", "a", by=BY)

    await asyncio.gather(report(), report(), report(), merge_and_undo())
    found: list[dict[str, Any]] = await harness.query(EVENTS)
    owners = {str(id): user for user, ids in messages.items() for id in ids}
    assert {row["message_id"]: row["user_id"] for row in found} == owners
    assert len(found) == len(owners)
    with pytest.raises((NotFoundError, ConflictError)):
        await merges.undo("b", "a", by=BY)
