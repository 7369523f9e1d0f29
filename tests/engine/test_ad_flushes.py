"""Flushes of audiences to an ad platform, whatever fails or changes meanwhile."""

import asyncio
import random
from pathlib import Path

import pytest

from application.ad_audiences import AdAudiences
from application.ad_flush import AdPlatforms
from application.erasure import Erasures
from channels.ad_platforms.google import SCOPE, Google
from channels.ad_platforms.linkedin import LinkedIn
from domain.access import SOJOURN
from domain.people.identity import PersonRef
from store import ad_audiences
from tests.channels.servers import Receiver, answer, listening
from tests.channels.test_ad_platforms import KEY, Known
from tests.engine.ad_platform import GoogleServer, serving
from tests.engine.audience_harness import AudienceHarness, harness, trial
from tests.engine.computed_harness import event
from tests.engine.dying import Death, die_at
from tests.engine.killed_work import flush_audiences
from tests.harness import PATIENCE, looks
from tests.proofs import rounds

__all__ = ["harness", "trial"]  # fixtures

ROUNDS = rounds(10, 500)
SEED = 20_261_201


async def test_an_erasure_during_a_flush_removes(trial: AudienceHarness) -> None:
    """The platform has the person by then, or takes them after."""
    await trial.perform(await trial.enter("u1"), "in")
    trial.server.gate.clear()
    flush = asyncio.create_task(trial.flush())
    await until(trial, "SELECT 1 FROM ad_audience_members WHERE held <> '{}'")
    await Erasures(trial.database).request(PersonRef("u1"), by=SOJOURN)
    await trial.rows("DELETE FROM ad_audience_members RETURNING 1")
    trial.server.gate.set()
    await flush
    assert trial.at_platform() == trial.people("u1")
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.rows("SELECT 1 FROM ad_audience_leftovers") == []


async def test_an_exit_during_a_flush_removes_with_the_next(trial: AudienceHarness) -> None:
    await trial.perform(await trial.enter("u1"), "in")
    trial.server.gate.clear()
    flush = asyncio.create_task(trial.flush())
    await until(trial, "SELECT 1 FROM ad_audience_members WHERE held <> '{}'")
    await trial.ingest(event("Subscribed", "u1"))
    await trial.judge()
    trial.server.gate.set()
    await flush
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.members() == {}


async def test_a_flush_that_has_lost_its_lease_writes_nothing_and_asks_nothing_more(trial: AudienceHarness) -> None:
    for user in ("u1", "u2"):
        await trial.perform(await trial.enter(user), "in")
    await trial.flush()
    await trial.ingest(event("Subscribed", "u1"))
    await trial.perform(await trial.enter("u3"), "in")
    trial.server.gate.clear()
    asked = len(trial.server.requests)
    flush = asyncio.create_task(trial.flush())
    # The removal is on its way, and the addition not yet; meanwhile another worker takes the audience.
    await until(trial, "SELECT 1 FROM ad_audience_members WHERE due_at IS NOT NULL AND held <> '{}' AND reason IS NULL")
    await trial.rows("UPDATE ad_audiences SET leased_until = leased_until + interval '1 minute' RETURNING 1")
    before = await trial.rows("SELECT to_jsonb(ad_audiences) AS row FROM ad_audiences")
    members = "SELECT profile_id, version, held, due_at FROM ad_audience_members ORDER BY 1"
    due = await trial.rows(members)
    trial.server.gate.set()
    await flush
    assert [action for action, _ in trial.server.requests[asked:]] == ["DELETE"]
    assert await trial.rows(members) == due
    assert await trial.rows("SELECT to_jsonb(ad_audiences) AS row FROM ad_audiences") == before


async def test_a_lost_answer_is_repeated_and_removed(trial: AudienceHarness) -> None:
    """The platform has taken whom the ledger does not know of: an exit takes them out all the same."""
    await trial.perform(await trial.enter("u1"), "in")
    trial.server.answers.append(None)
    await trial.flush()
    assert trial.at_platform() == trial.people("u1")
    await trial.ingest(event("Subscribed", "u1"))
    await trial.flush()
    assert trial.at_platform() == set()


async def add_and_remove(trial: AudienceHarness, server: GoogleServer) -> None:
    """Tell Google of a person, and that they are to be removed, before it has worked on either."""
    opened = Google("1", None, Known(KEY, SCOPE), server.base, 60.0)
    trial.flusher.platforms = AdPlatforms(lambda _: opened)
    await trial.perform(await trial.enter("u1"), "in")
    await trial.flush()
    await trial.ingest(event("Subscribed", "u1"))
    await trial.flush()


async def test_a_removal_holds_in_whatever_order_the_platform_works(trial: AudienceHarness) -> None:
    """It took the addition first, and carries it out last."""
    async with serving(GoogleServer()) as server:
        await add_and_remove(trial, server)
        assert [method for method, _ in server.taken.values()] == ["ingest", "remove"]
        assert await trial.members() == {}
        # Not before the platform has worked on the addition.
        await trial.flush()
        assert len(server.taken) == 2
        server.work("r2", "r1")
        assert server.audiences["77"] == trial.people("u1")
        await trial.rows("UPDATE ad_audience_uploads SET at = 'epoch' RETURNING 1")
        await trial.flush()
        server.work("r3")
        assert server.audiences["77"] == set()
        assert await trial.rows("SELECT 1 FROM ad_audience_leftovers") == []
        view = await AdAudiences(trial.database).get("trial-unused")
        assert sorted(upload.state for upload in view.uploads) == ["done", "done", "processing"]


async def test_a_platform_that_never_finishes_a_request_holds_up_no_removal(trial: AudienceHarness) -> None:
    async with serving(GoogleServer()) as server:
        await add_and_remove(trial, server)
        await trial.rows("UPDATE ad_audience_uploads SET at = at - interval '8 days' RETURNING 1")
        await trial.flush()
        view = await AdAudiences(trial.database).get("trial-unused")
        assert sorted(upload.state for upload in view.uploads) == ["failed", "failed", "processing"]
        assert [method for method, _ in server.taken.values()] == ["ingest", "remove", "remove"]


async def test_a_refused_person_is_shown_and_told_again_once_they_change(trial: AudienceHarness) -> None:
    receiver = Receiver(answer(200, b'{"elements": [{"status": 400}]}'))
    async with listening(receiver.talk) as port:
        opened = LinkedIn("token", f"http://127.0.0.1:{port}", 60.0)
        trial.flusher.platforms = AdPlatforms(lambda _: opened)
        await trial.perform(await trial.enter("u1"), "in")
        await trial.flush()
        view = await AdAudiences(trial.database).get("trial-unused")
        assert (view.numbers.wanted, view.numbers.failed, view.numbers.pending) == (1, 1, 0)
        assert [(upload.people, upload.invalid) for upload in view.uploads] == [(1, 1)]
        receiver.reply = answer(200, b'{"elements": [{"status": 201}]}')
        await trial.identify("u1", email="other@example.com")
        await trial.flush()
        view = await AdAudiences(trial.database).get("trial-unused")
        assert (view.numbers.wanted, view.numbers.failed, view.numbers.sent) == (1, 0, 1)


FLUSHES = [
    Death("store.ad_uploads", "hold", is_after=True),
    Death("store.ad_uploads", "record"),
    Death("store.ad_uploads", "settle"),
    Death("store.ad_uploads", "finish"),
]


@pytest.mark.parametrize("death", FLUSHES, ids=str)
async def test_a_killed_flush_loses_no_one(trial: AudienceHarness, tmp_path: Path, death: Death) -> None:
    """Before the platform hears of a person, once it has them, and before the ledger says so."""
    for user in ("u1", "u2"):
        await trial.perform(await trial.enter(user), "in")
    await die_at(death, tmp_path / "log", flush_audiences, trial.database.url, trial.server.base)
    await trial.ingest(event("Subscribed", "u1"))
    # The lease of the one who died is over.
    await trial.rows("UPDATE ad_audiences SET leased_until = NULL RETURNING 1")
    await trial.flush()
    assert trial.at_platform() == trial.people("u2")
    assert await trial.members() == {"u2": None}
    await trial.ingest(event("Subscribed", "u2"))
    await trial.flush()
    assert trial.at_platform() == set()


async def test_a_fault_of_the_account_opens_the_circuit(trial: AudienceHarness) -> None:
    await trial.perform(await trial.enter("u1"), "in")
    trial.server.answers.append(answer(400, b'{"error": {"code": 190}}'))
    await trial.flush()
    [circuit] = await trial.rows("SELECT provider, opened_at FROM provider_circuits")
    assert circuit["provider"] == "meta"
    assert circuit["opened_at"] is not None
    view = await AdAudiences(trial.database).get("trial-unused")
    assert view.failure == "account: meta refuses the account: code 190"
    assert (view.numbers.wanted, view.numbers.pending, view.numbers.sent) == (1, 1, 0)
    assert [(upload.action, upload.state) for upload in view.uploads] == [("add", "failed")]
    # Until the probe is due nothing is tried.
    await trial.flush()
    assert trial.server.requests == []
    await trial.rows("UPDATE provider_circuits SET probe_at = now() RETURNING 1")
    await trial.flush()
    assert trial.at_platform() == trial.people("u1")
    assert await trial.rows("SELECT 1 FROM provider_circuits") == []


async def test_a_page_is_taken_at_a_time(trial: AudienceHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("domain.sending.providers.meta.MetaModel.max_people", 3)
    users = [f"u{number}" for number in range(7)]
    for user in users:
        await trial.perform(await trial.enter(user), "in")
    await trial.judge()
    while (await trial.flusher.sweep()).seconds == 0.0:
        pass
    assert trial.server.requests == [("POST", 3), ("POST", 3), ("POST", 1)]
    assert trial.at_platform() == trial.people(*users)


@pytest.mark.prove
async def test_the_last_of_writes_at_once_holds(trial: AudienceHarness) -> None:
    """Adds, removals, refusals and flushes in any order, each by a transaction of its own."""
    draw = random.Random(SEED)
    for number in range(ROUNDS):
        user = f"r{number}"
        journey = await trial.enter(user)
        [row] = await trial.rows("SELECT profile_id FROM journeys WHERE id = %s", journey)

        async def write(*, is_wanted: bool, profile: object = row["profile_id"], journey: object = journey) -> None:
            async with trial.database.transaction() as connection:
                await connection.execute("SELECT FROM profiles WHERE id = %s FOR NO KEY UPDATE", (profile,))
                assert await ad_audiences.set_member(
                    connection,
                    "trial-unused",
                    profile,  # type: ignore[arg-type]
                    journey,  # type: ignore[arg-type]
                    is_wanted=is_wanted,
                )

        deeds = [write(is_wanted=True), write(is_wanted=False), trial.flush(), write(is_wanted=True), trial.flush()]
        draw.shuffle(deeds)
        await asyncio.gather(*deeds)
        is_wanted = draw.random() < 0.5
        await asyncio.gather(trial.flush(), write(is_wanted=is_wanted))
        await trial.flush()
        await trial.flush()
        assert (trial.people(user) <= trial.at_platform()) is is_wanted, f"seed {SEED}, round {number}"


async def until(harness: AudienceHarness, sql: str) -> None:
    async for is_last in looks(PATIENCE):
        if await harness.rows(sql):
            return
        assert not is_last, f"never found: {sql}"
