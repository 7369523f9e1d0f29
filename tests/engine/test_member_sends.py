"""Messages to the members of an account: page by page, each member once, by the gate of every message."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace
from temporalio.worker import Replayer

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.message_outcomes import SendOutcome
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.journey.position import NextPositions
from domain.journey.requests import MembersRequest
from domain.sending.delivery import Accepted, Never
from domain.sending.gate_answers import Held, MembersAnswer, MembersPage, Refused
from domain.tracking.event import Event
from runtime.codec import DATA_CONVERTER
from runtime.temporal import WORKFLOWS, workflow_runner
from store.database import Database
from tests.channels.servers import listening
from tests.engine.campaigns import ONE_A_DAY
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.ingesting import event
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import Held as HeldAnswer
from tests.engine.send_harness import Provider
from tests.harness import PATIENCE, Harness, open_harness
from tests.processes import worker_process
from tests.servers import TemporalServer

CAMPAIGN = """
key: invite
name: Invite
entry: {event: Account Created, account: true}
exit: [{event: Invited}]
steps:
  - {id: tell, send: {channel: CHANNEL, template: note, to: {role: admin}}}
  - {id: rest, delay: 1d}
"""
HOOK = """---
channel: webhook
url: http://127.0.0.1:PORT/
---
user_id: "{{ profile.user_id }}"
role: "{{ account.role }}"
account: "{{ account.id }}"
"""


def now() -> datetime:
    return datetime.now(UTC)


def member(user: str, account: str = "acme", *, role: str = "admin", **traits: Any) -> list[Event]:
    """The calls that make a person a member of an account."""
    at = now()
    email = {"email": f"{user}@example.com", **traits}
    joins = replace(event("group", user, at=at, role=role), group_id=account)
    return [event("identify", user, at=at, **email), joins]


async def join(ingest: Ingest, *members: list[Event]) -> None:
    await ingest([one for events in members for one in events], received_at=now())


async def created(ingest: Ingest, user: str, name: str = "Account Created") -> None:
    await ingest([event("track", user, name=name, at=now())], received_at=now())


# The whole way, of 250 members: three pages


async def test_every_member_with_the_role_gets_one_message_over_many_runs(harness: Harness, ingest: Ingest) -> None:
    await harness.put_caps(ONE_A_DAY)
    await harness.run_campaign(
        "key: news\nname: News\nentry: {event: Subscribed}\nsteps: [{id: note, send: {channel: email, template: note}}]"
    )
    await join(ingest, *(member(f"u{number}") for number in range(250)), member("guest", role="viewer"))
    await created(ingest, "u7", "Subscribed")
    await harness.messages.until(state="sent")
    await ingest(
        [event("identify", "u8", at=now(), email=None), event("identify", "u9", at=now(), consent={"email": False})],
        received_at=now(),
    )
    await harness.run_campaign(CAMPAIGN.replace("CHANNEL", "email"))
    await created(ingest, "u3")
    handle = await harness.journey("u3", "invite")
    await harness.until("SELECT FROM journeys WHERE campaign_key = 'invite' AND step = 'rest'", seconds=300)
    # A cap, an unreachable and an unwilling member concern themselves alone.
    told = Counter(mail.recipients for mail in harness.inbox.messages)
    assert set(told.values()) == {1}
    assert len(told) == 248
    assert ("guest@example.com",) not in told
    refused = await harness.query(
        """
        SELECT user_id, reason FROM decisions JOIN profiles ON profiles.id = profile_id
        WHERE step = 'tell' AND outcome = 'refused' ORDER BY user_id
        """
    )
    assert [(row["user_id"], row["reason"]) for row in refused] == [
        ("u7", "capped"),
        ("u8", "unreachable"),
        ("u9", "no_consent"),
    ]
    # Pages of a hundred: a run takes one, and the next goes on after its last member.
    runs = [run async for run in harness.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 3
    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER)
    for run in runs:
        history = await harness.temporal.get_workflow_handle(handle.id, run_id=run.run_id).fetch_history()
        assert "example.com" not in history.to_json()
        await replayer.replay_workflow(history)
    row = await harness.journeys.one(campaign_key="invite")
    assert (row["state"], row["step"], row["status"]) == ("active", "rest", "waiting")
    timeline = [item["summary"] for item in await harness.timeline("u9")]
    assert "tell: refused: no_consent: the profile refuses email" in timeline
    whole = await harness.admin("GET", f"/v1/journeys/{row['id']}?limit=500")
    summaries = [item["summary"] for item in whole["timeline"]]
    assert "tell: refused for u7: capped: 1 of 1 in 1d (daily), frees at" in "\n".join(summaries)
    assert "tell: email note for u12 sent" in summaries


@pytest.mark.takes_long
async def test_a_worker_that_is_killed_among_the_pages_loses_and_repeats_no_member(
    database_url: str, temporal: TemporalServer, ingest: Ingest
) -> None:
    got: list[tuple[str, str]] = []
    enough = asyncio.Event()

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        body = json.loads(await reader.readexactly(length))["data"]
        got.append((body["user_id"], head.partition("idempotency-key: ")[2].partition("\r\n")[0]))
        assert (body["account"], body["role"]) == ("acme", "admin")
        if len(got) >= 120:
            enough.set()
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with (
        listening(receive) as port,
        open_harness(database_url, temporal, is_working=False) as harness,
    ):
        template = {"note.liquid": HOOK.replace("PORT", str(port))}
        await harness.run_campaign(CAMPAIGN.replace("CHANNEL", "webhook"), template)
        await join(ingest, *(member(f"u{number}") for number in range(250)))
        async with worker_process(harness.settings) as dies:
            await created(ingest, "u3")
            await asyncio.wait_for(enough.wait(), PATIENCE)
            dies.kill()
        async with worker_process(harness.settings):
            await harness.until("SELECT FROM journeys WHERE step = 'rest'", seconds=300)
            rows = await harness.messages.all()
    assert len(rows) == 250
    assert {row["state"] for row in rows} == {"sent"}
    # A receiver knows a repeated call by its key: each member has one.
    assert len({user for user, _ in got}) == 250
    assert len({key for _, key in got}) == 250


# Page by page


@dataclass
class MembersHarness:
    """A journey that rests before its message, whose gate and sender the test calls itself."""

    harness: Harness
    ingest: Ingest
    gate: StepDecisions
    sender: Sender
    provider: Provider
    journey_id: UUID

    async def ask(
        self, attempt: int = 1, *, after: str | None = None, at: datetime | None = None, reached: datetime | None = None
    ) -> MembersAnswer:
        at = at or now()
        return await self.gate.authorize_members(
            MembersRequest(
                journey_id=self.journey_id,
                step="tell",
                visit=1,
                attempt=attempt,
                reached_at=reached or at,
                at=at,
                after=None if after is None else UUID(after),
                next_positions=UNRECORDED,
            )
        )

    async def page(self, attempt: int = 1, **more: Any) -> MembersPage:
        answer = await self.ask(attempt, **more)
        assert isinstance(answer, MembersPage)
        return answer

    async def send(self, message_id: str, at: datetime | None = None) -> SendOutcome:
        at = at or now()
        return await self.sender.send(UUID(message_id), at=at, ends_with=None, next_positions=NextPositions(0, ()))

    async def states(self) -> dict[str, tuple[str, str | None]]:
        rows = await self.harness.query(
            "SELECT user_id, state, reason FROM messages JOIN profiles ON profiles.id = profile_id"
        )
        return {row["user_id"]: (row["state"], row["reason"]) for row in rows}


@pytest.fixture
async def members(harness: Harness, ingest: Ingest, request: pytest.FixtureRequest) -> AsyncIterator[MembersHarness]:
    """Of an account with three admins, u0 to u2; parametrised by lines of the campaign."""
    head = getattr(request, "param", "")
    source = CAMPAIGN.replace("CHANNEL", "email").replace("steps:\n", f"{head}steps:\n  - {{id: later, delay: 300d}}\n")
    await harness.run_campaign(source)
    await join(ingest, *(member(f"u{number}") for number in range(3)))
    await created(ingest, "u0")
    journey = await harness.journeys.one()
    async with Database(harness.settings.database_url.get_secret_value(), pool_size=10) as database:
        catalogue = Catalogue()
        provider = Provider("email", Never())
        sender = Sender(
            database,
            catalogue,
            FixedProviders({"email": provider}),
            lambda *_: "https://example.com/u",
            link_tracker(database),
            "UTC",
        )
        gate = StepDecisions(database, catalogue, "UTC")
        yield MembersHarness(harness, ingest, gate, sender, provider, journey["id"])


async def test_a_repeated_request_gets_the_same_messages_until_they_are_settled(members: MembersHarness) -> None:
    page = await members.page()
    assert len(page.message_ids) == 3
    assert page.after is None
    assert await members.page() == page
    assert (await members.send(page.message_ids[0])).state == "sent"
    assert set((await members.page()).message_ids) == set(page.message_ids[1:])
    granted = await members.harness.query("SELECT 1 FROM decisions WHERE step = 'tell' AND outcome = 'granted'")
    assert len(granted) == 3


async def test_a_member_who_has_left_gets_nothing(members: MembersHarness) -> None:
    page = await members.page()
    left = replace(event("track", "u1", name="Account Removed User", at=now()), context={"groupId": "acme"})
    await members.ingest([left], received_at=now())
    for message_id in page.message_ids:
        await members.send(message_id)
    assert await members.states() == {
        "u0": ("sent", None),
        "u1": ("cancelled", "left_account"),
        "u2": ("sent", None),
    }
    assert members.provider.addresses.count("u1@example.com") == 0


async def test_a_member_whose_role_has_changed_gets_nothing(members: MembersHarness) -> None:
    page = await members.page()
    [_, lower] = member("u1", role="viewer")
    [_, none] = member("u2")
    none = replace(none, properties={"role": None})
    await members.ingest([lower, none], received_at=now())
    for message_id in page.message_ids:
        await members.send(message_id)
    assert await members.states() == {
        "u0": ("sent", None),
        "u1": ("cancelled", "left_account"),
        "u2": ("cancelled", "left_account"),
    }
    details = await members.harness.query("SELECT DISTINCT detail FROM messages WHERE state = 'cancelled'")
    assert details == [{"detail": "the person no longer has the role admin in the account"}]


async def test_an_erased_member_gets_nothing_and_holds_no_other_up(members: MembersHarness) -> None:
    page = await members.page()
    erasure = await members.harness.admin("DELETE", "/v1/users/u1")
    await members.harness.until("SELECT 1 FROM operations WHERE id = %s AND finished_at IS NOT NULL", erasure["id"])
    outcomes = [await members.send(message_id) for message_id in page.message_ids]
    assert Counter(outcome.state for outcome in outcomes) == {"sent": 2, "cancelled": 1}
    assert await members.states() == {"u0": ("sent", None), "u2": ("sent", None)}


@pytest.mark.parametrize(("source", "target"), [("u1", "u2"), ("u0", "u1")])
async def test_a_merged_member_gets_one_message_and_an_undone_merge_gives_it_back(
    members: MembersHarness, source: str, target: str
) -> None:
    page = await members.page()
    for message_id in page.message_ids:
        await members.send(message_id)
    owners = "SELECT 'message' AS kind, id, profile_id FROM messages UNION SELECT kind, id, profile_id FROM decisions"
    before = await members.harness.query(f"{owners} ORDER BY 1, 2")
    await members.harness.admin("POST", f"/v1/users/{target}/merges", {"from": source})
    assert (await members.page(2)).message_ids == ()
    assert Counter(members.provider.addresses) == {f"u{number}@example.com": 1 for number in range(3)}
    await members.harness.admin("DELETE", f"/v1/users/{target}/merges/{source}")
    assert await members.harness.query(f"{owners} ORDER BY 1, 2") == before


async def test_an_exit_by_any_member_cancels_the_messages_of_all(members: MembersHarness) -> None:
    page = await members.page()
    members.provider.answers = [HeldAnswer(Accepted(None))]
    held = members.provider.answers[0]
    assert isinstance(held, HeldAnswer)
    sending = asyncio.create_task(members.send(page.message_ids[0]))
    await members.provider.reached.wait()
    await created(members.ingest, "u2", "Invited")
    outcomes = await asyncio.gather(*(members.send(message_id) for message_id in page.message_ids[1:]))
    assert outcomes == [SendOutcome("cancelled", journey_ended=True)] * 2
    held.release.set()
    assert (await sending).state == "sent"
    assert len(members.provider.got) == 1
    assert await members.ask(2) == Refused("journey_ended", journey_ended=True)


async def test_exits_of_members_race_their_messages(members: MembersHarness) -> None:
    page = await members.page()

    async def leave() -> int:
        await created(members.ingest, "u1", "Invited")
        return len(members.provider.got)

    acknowledged, *_ = await asyncio.gather(leave(), *(members.send(message_id) for message_id in page.message_ids))
    assert len(members.provider.got) == acknowledged
    states = Counter(state for state, _ in (await members.states()).values())
    assert states == Counter(sent=acknowledged, cancelled=3 - acknowledged)


async def test_a_pause_holds_all_members_and_is_asked_about_once(members: MembersHarness) -> None:
    await members.harness.admin("POST", "/v1/campaigns/invite/pause")
    assert await members.ask() == Held("campaign_paused")
    held = await members.harness.query("SELECT outcome FROM decisions WHERE step = 'tell'")
    assert [row["outcome"] for row in held] == ["held"]
    await members.harness.admin("POST", "/v1/campaigns/invite/resume")
    assert await members.ask() == Held("campaign_paused")
    assert len((await members.page(2)).message_ids) == 3


@pytest.mark.parametrize("members", ["on_resume: skip\n"], indirect=True)
async def test_what_a_pause_held_is_skipped_for_all_members_if_the_campaign_says_so(members: MembersHarness) -> None:
    await members.harness.admin("POST", "/v1/campaigns/invite/pause")
    await members.ask()
    await members.harness.admin("POST", "/v1/campaigns/invite/resume")
    assert await members.ask(2) == Refused("paused")


@pytest.mark.parametrize("members", ['send_window: {from: "09:00", to: "18:00"}\n'], indirect=True)
async def test_each_member_is_deferred_to_the_window_of_their_own_zone(members: MembersHarness) -> None:
    await join(members.ingest, member("u9", timezone="Asia/Tokyo"))
    noon = datetime(2026, 11, 2, 12, tzinfo=UTC)
    page = await members.page(at=noon)
    assert len(page.message_ids) == 3
    opens = datetime(2026, 11, 3, tzinfo=UTC)
    assert page.until == opens
    # A provider that was away until the window had closed: those are asked about again with the deferred.
    evening = noon + timedelta(hours=8)
    outcomes = [await members.send(message_id, evening) for message_id in page.message_ids[:1]]
    assert [outcome.state for outcome in outcomes] == ["postponed"]
    for message_id in page.message_ids[1:]:
        assert (await members.send(message_id, noon)).state == "sent"
    again = await members.page(2, at=opens, reached=noon)
    assert len(again.message_ids) == 1
    assert again.until == opens + timedelta(hours=9)
    last = await members.page(3, at=opens + timedelta(hours=9), reached=noon)
    assert set(page.message_ids[:1]) < set(last.message_ids)
    for message_id in last.message_ids:
        assert (await members.send(message_id, opens + timedelta(hours=9))).state in ("sent", "postponed")


async def test_a_member_who_joins_between_two_pages_is_asked_about_where_their_page_comes(
    members: MembersHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("application.member_gate.PAGE", 2)
    first = await members.page()
    assert (len(first.message_ids), first.after is None) == (2, False)
    for message_id in first.message_ids:
        await members.send(message_id)
    second = await members.page(after=first.after)
    assert (len(second.message_ids), second.after) == (1, None)
    assert not set(first.message_ids) & set(second.message_ids)
    assert (await members.page(after=str(uuid4()))).message_ids == second.message_ids
