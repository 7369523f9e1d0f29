"""Every call starts, ends and moves journeys; changes of profiles are events where a campaign listens for them."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from application.catalogue import Catalogue
from application.ingest import Ingest
from application.step_decisions import StepDecisions
from domain.journey.position import NextPositions, Position
from domain.journey.requests import ActionRequest
from domain.tracking.chain import MAX_CHAIN
from tests.engine.ingesting import AT, event, statements
from tests.harness import PATIENCE, Harness, now
from tests.proofs import rounds

SEED = 20_261_130


def starts(key: str, entry: str, *, exit: str = "{event: Never}", steps: str = "{id: rest, delay: 1d}") -> str:
    return f"key: {key}\nname: N\nentry: {entry}\nexit: [{exit}]\nsteps: [{steps}]\n"


async def entered(harness: Harness) -> dict[str, str]:
    """The names of the entry events of all journeys, by campaign."""
    return {
        journey["campaign_key"]: f"{journey['entry']['type']} {journey['entry']['name']}"
        for journey in await harness.journeys.all()
    }


async def test_each_kind_starts_and_ends_journeys(harness: Harness) -> None:
    plan = "event.properties.before == 'free' && event.properties.after == 'pro'"
    await harness.run_campaign(
        starts("paged", "{page: Pricing, where: event.properties.plan == 'pro'}", exit="{screen: Bye}")
    )
    await harness.run_campaign(starts("screened", "{screen: '*'}", exit="{page: '*'}"))
    await harness.run_campaign(starts("grouped", "{group: '*', where: event.group_id == 'g1'}", exit="{group: g2}"))
    await harness.run_campaign(starts("upgraded", f"{{changed: profile.traits.plan, where: {plan}}}"))
    await harness.run_campaign(
        starts("agreed", "{consent: email, where: event.properties.after == true}", exit="{consent: email}")
    )
    await harness.identify("u1", plan="free")
    await harness.post("page", {"userId": "u1", "name": "Pricing", "properties": {"plan": "pro"}})
    await harness.post("group", {"userId": "u1", "groupId": "g1"})
    await harness.identify("u1", plan="pro", consent={"email": True})
    await harness.post("screen", {"userId": "u1"})
    assert await entered(harness) == {
        "paged": "page Pricing",
        "screened": "screen None",
        "grouped": "group None",
        "upgraded": "changed profile.traits.plan",
        "agreed": "consent email",
    }
    derived = await harness.query("SELECT type, properties, source FROM events WHERE type IN ('changed', 'consent')")
    assert [(one["type"], one["properties"], one["source"]) for one in derived] == [
        ("changed", {"before": None, "after": "free"}, "sojourn"),
        ("changed", {"before": "free", "after": "pro"}, "sojourn"),
        ("consent", {"before": None, "after": True}, "sojourn"),
    ]
    await harness.post("screen", {"userId": "u1", "name": "Bye"})
    await harness.post("page", {"userId": "u1"})
    await harness.post("group", {"userId": "u1", "groupId": "g2"})
    await harness.identify("u1", consent={"email": False})
    active = await harness.query("SELECT campaign_key FROM journeys WHERE state = 'active'")
    # The screen that ended one started no second journey of the other, which was active.
    assert [one["campaign_key"] for one in active] == ["upgraded"]
    told = [line["summary"] for line in await harness.timeline("u1") if line["kind"] in ("event", "exit")]
    assert [one for one in told if one.startswith("left")] == [
        "left paged: ended by screen Bye",
        "left screened: ended by page",
        "left grouped: ended by group g2",
        "left agreed: ended by consent email",
    ]
    assert "changed profile.traits.plan" in told


async def test_a_change_by_steps_operators_and_links_is_heard(harness: Harness) -> None:
    await harness.run_campaign(
        starts("first", "{event: Go}", steps="{id: set, update_profile: {plan: pro}}, {id: stage, set_stage: loyal}")
    )
    await harness.run_campaign(starts("plan", "{changed: profile.traits.plan}"))
    await harness.run_campaign(starts("stage", "{changed: profile.stage}", exit="{consent: email}"))
    await harness.run_campaign(starts("refused", "{consent: email, where: event.properties.after == false}"))
    await harness.track("u1", "Go")
    await harness.until("SELECT 1 FROM journeys WHERE campaign_key IN ('plan', 'stage') OFFSET 1")
    await harness.admin("PUT", "/v1/users/u1/suppressions/email", {"reason": "asked by phone"})
    journeys = {one["campaign_key"]: one for one in await harness.journeys.all()}
    assert journeys["plan"]["entry"]["context"]["sojourn"]["journey_id"] == str(journeys["first"]["id"])
    assert journeys["stage"]["entry"]["properties"] == {"before": None, "after": "loyal"}
    assert journeys["stage"]["state"] == "exited"
    assert journeys["refused"]["entry"]["properties"] == {"before": None, "after": False}
    # A second refusal changes nothing.
    await harness.identify("u1", consent={"email": False})
    assert len(await harness.query("SELECT 1 FROM events WHERE type = 'consent'")) == 1


async def test_operators_corrections_merges_and_links_are_heard(harness: Harness) -> None:
    for channel in ("webhook", "email"):
        await harness.run_campaign(starts(f"no-{channel}", "{event: Go}", exit=f"{{consent: {channel}}}"))
    for trait in ("plan", "city"):
        await harness.run_campaign(starts(f"old-{trait}", "{event: Go}", exit=f"{{changed: profile.traits.{trait}}}"))
    mail = "{id: mail, send: {channel: email, template: note}}"
    await harness.run_campaign(starts("mailed", "{event: Wanted}", steps=mail))
    await harness.identify("u1", email="u1@example.com", plan="free")
    await harness.identify("u2", city="Ulm")
    await harness.track("u1", "Wanted")
    [sent] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    await harness.track("u1", "Go")

    async def ended() -> list[str]:
        ends = await harness.query("SELECT campaign_key FROM decisions WHERE kind = 'exit' ORDER BY recorded_at")
        return [row["campaign_key"] for row in ends]

    await harness.admin("PATCH", "/v1/users/u1", {"traits": {"plan": "pro"}})
    assert await ended() == ["old-plan"]
    await harness.admin("PATCH", "/v1/users/u1", {"suppressed": {"webhook": "gone"}})
    assert await ended() == ["old-plan", "no-webhook"]
    await harness.admin("POST", "/v1/users/u1/merges", {"from": "u2"})
    assert await ended() == ["old-plan", "no-webhook", "old-city"]
    await harness.http.post(str(sent.message["List-Unsubscribe"]).strip("<>"))
    assert await ended() == ["old-plan", "no-webhook", "old-city", "no-email"]


async def test_a_step_that_changes_what_starts_its_campaign_ends(harness: Harness) -> None:
    count = "{id: count, update_profile: {visits: {cel: profile.traits.visits + 1}}}"
    await harness.run_campaign(starts("loop", "{changed: profile.traits.visits}", steps=count))
    await harness.identify("u1", visits=1)
    [refused] = await harness.until("SELECT data FROM decisions WHERE reason = 'chain_too_long'")
    assert refused["data"] == {"limit": MAX_CHAIN}
    journeys = await harness.journeys.all()
    assert [journey["entry"]["properties"]["after"] for journey in journeys] == list(range(1, MAX_CHAIN + 2))


async def test_a_batch_and_a_merge_make_one_event_a_change(harness: Harness, ingest: Ingest) -> None:
    changed = "{changed: profile.traits.plan}"
    await harness.run_campaign(starts("plan", changed, exit=changed))
    first = [
        event("identify", "u1", plan="free"),
        event("identify", "u1", plan="free", at=AT + timedelta(seconds=1)),
        event("identify", None, anonymous="a1", plan="pro", at=AT + timedelta(seconds=2)),
    ]
    merging = event("identify", "u1", anonymous="a1", at=AT + timedelta(seconds=3), plan="team")
    later = event("identify", "u1", at=AT + timedelta(seconds=4), plan="plus")
    await ingest(first, received_at=AT + timedelta(seconds=5))
    await ingest([merging, later], received_at=AT + timedelta(seconds=6))
    changes = await harness.query("SELECT properties, context FROM events WHERE type = 'changed' ORDER BY recorded_at")
    assert [(one["properties"]["before"], one["properties"]["after"]) for one in changes] == [
        *((None, "free"), (None, "pro")),
        *(("free", "pro"), ("pro", "team"), ("team", "plus")),
    ]
    causes = [first[0], first[2], merging, merging, later]
    assert [one["context"]["sojourn"]["caused_by"] for one in changes] == [str(cause.id) for cause in causes]
    # Each change ended the journey of the one before it, and started the next.
    journeys = await harness.journeys.all()
    assert [one["state"] for one in sorted(journeys, key=lambda one: one["entered_at"])].count("active") == 1
    assert len({one["profile_id"] for one in journeys}) == 1


async def test_what_happened_later_and_came_first_keeps_out_of_each_kind(harness: Harness, ingest: Ingest) -> None:
    exits = {
        "page": ("{page: '*'}", event("page", "u1", at=AT + timedelta(seconds=5))),
        "screen": ("{screen: Bye}", event("screen", "u1", name="Bye", at=AT + timedelta(seconds=5))),
        "group": ("{group: g1}", replace(event("group", "u1", at=AT + timedelta(seconds=5)), group_id="g1")),
        "changed": ("{changed: profile.traits.a}", event("identify", "u1", a=1, at=AT + timedelta(seconds=5))),
        "consent": ("{consent: '*'}", event("identify", "u1", consent={"sms": True}, at=AT + timedelta(seconds=6))),
    }
    for key, (exit, _) in exits.items():
        await harness.run_campaign(starts(key, "{event: Late}", exit=exit))
    await ingest([event("track", "u1", name="Other", at=AT)], received_at=AT)
    for _, one in exits.values():
        await ingest([one], received_at=AT + timedelta(seconds=10))
    await ingest([event("track", "u1", name="Late", at=AT)], received_at=AT + timedelta(seconds=10))
    decided = {one["campaign_key"]: one["reason"] for one in await harness.decisions.all(kind="entry")}
    assert decided == dict.fromkeys(exits, "exit_event_came_first")


async def test_a_change_by_a_step_is_reported_though_the_process_died_right_after_it(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = "{id: rest, delay: 1d}, {id: stage, set_stage: loyal}"
    await harness.run_campaign(starts("go", "{event: Go}", steps=step))
    await harness.run_campaign(starts("loyal", "{changed: profile.stage}"))
    await harness.track("u1", "Go")
    journey = await harness.journeys.one()
    decisions = StepDecisions(harness.database, Catalogue(), "UTC")
    placed = NextPositions(1, (Position("later", "waiting", 60.0),))
    request = ActionRequest(journey["id"], "stage", 1, now(), None, {}, placed)

    async def die(*_: Any, **__: Any) -> None:
        raise SystemError

    with monkeypatch.context() as patch:
        patch.setattr(Ingest, "__call__", die)
        with pytest.raises(SystemError):
            await decisions.perform(request)
    assert await harness.query("SELECT stage FROM profiles") == [{"stage": "loyal"}]
    assert await harness.query("SELECT 1 FROM events WHERE type = 'changed'") == []
    for _ in range(2):
        assert await decisions.perform(request) is False
    assert len(await harness.query("SELECT 1 FROM events WHERE type = 'changed'")) == 1
    assert len(await harness.journeys.all(campaign_key="loyal")) == 1


async def test_calls_that_no_rule_mentions_cost_nothing_more(
    harness: Harness, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch(number: int) -> list[Any]:
        users = [f"u{one}" for one in range(number)]
        return [
            *(event("page", user, name="Home") for user in users),
            *(event("screen", user) for user in users),
            *(event("track", user, name="Pricing") for user in users),
        ]

    def said(number: int, city: str, user: str = "u") -> list[Any]:
        at = AT + timedelta(seconds=len(city))
        return [event("identify", f"{user}{one}", city=city, at=at) for one in range(number)]

    async def count(events: list[Any]) -> int:
        with statements(monkeypatch) as sent:
            await ingest(events, received_at=AT + timedelta(minutes=1))
        return len(sent)

    await ingest(batch(100), received_at=AT)
    plain, identified = await count(batch(100)), await count(said(100, "Ulm"))
    # The lock, the registry's revision, the message ids, the identities, the events.
    assert plain == 5
    await harness.run_campaign(starts("paged", "{page: Pricing}", exit="{changed: profile.traits.plan}"))
    await ingest(batch(1), received_at=AT)
    assert await count(batch(100)) == plain
    assert await count(said(100, "Bonn")) == identified
    # A change that is heard: as many statements for each number of people.
    await harness.run_campaign(starts("moved", "{changed: profile.traits.city}"))
    await count(said(1, "Trier", "warm"))
    heard = [await count(said(1, "Essen", "one")), await count(said(100, "Essen", "hundred"))]
    assert heard[0] == heard[1]


RUNS, GROUP = rounds(16, 640), 16


@pytest.mark.prove
async def test_nothing_is_claimed_after_a_change_that_ends_the_journey_was_acknowledged(harness: Harness) -> None:
    """Each change arrives at a random instant around the end of the delay."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    steps = "{id: cool-off, delay: 1s}, {id: nudge, send: {channel: email, template: note}}"
    await harness.run_campaign(starts("race", "{page: Cart}", exit="{changed: profile.traits.plan}", steps=steps))
    acknowledged: dict[str, Any] = {}

    async def upgrade(user: str) -> None:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.post("page", {"userId": user, "name": "Cart"})
        await asyncio.sleep(rolls.uniform(0.7, 1.8))
        await harness.identify(user, plan="pro")
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[user] = now["at"]

    for first in range(0, RUNS, GROUP):
        await asyncio.gather(*(upgrade(f"u{number}") for number in range(first, first + GROUP)))
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM messages WHERE state IN ('reserved', 'sending'))")
    people = "messages JOIN profiles ON profiles.id = profile_id"
    claims = await harness.query(f"SELECT user_id, claimed_at FROM {people} WHERE claimed_at IS NOT NULL")  # noqa: S608
    assert [claim for claim in claims if claim["claimed_at"] > acknowledged[claim["user_id"]]] == []
    assert len(claims) + len(await harness.journeys.all(state="exited")) >= RUNS
