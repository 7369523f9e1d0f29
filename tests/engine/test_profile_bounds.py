"""A profile is bounded: what goes beyond is left out with its reason, and everything else goes on."""

from typing import Any

import msgspec
import pytest

from application import ingest as ingest_module
from application.ingest import Ingest
from domain.people.profile_state import MAX_CONSENTS, MAX_TRAITS, MAX_TRAITS_BYTES
from tests.engine.ingesting import AT, Query, event
from tests.harness import Harness

REJECTS = "SELECT position, part, error, body FROM rejects ORDER BY id"


async def test_beyond_a_thousand_traits_the_rest_is_kept_and_conditions_go_on(harness: Harness) -> None:
    await harness.run_campaign(
        "{key: pro, name: Pro, entry: {event: Seen, where: profile.traits.plan == 'pro'}, "
        "steps: [{id: rest, delay: 1d}]}",
        {},
    )
    await harness.identify("u1", plan="pro")
    for start in (0, 500):
        await harness.identify("u1", **{f"t{start + number}": number for number in range(500)})
    await harness.identify("u1", plan="pro", t0="changed", one_more=True)
    [profile] = await harness.query("SELECT traits FROM profiles")
    assert len(profile["traits"]) == MAX_TRAITS
    assert (profile["traits"]["t0"], "one_more" in profile["traits"]) == ("changed", False)
    errors = [row["error"] for row in await harness.query(REJECTS)]
    assert errors == [
        "a profile may have 1,000 traits, and this one has 1,000: leave `t999` out",
        "a profile may have 1,000 traits, and this one has 1,000: leave `one_more` out",
    ]
    answer = await harness.post("identify", {"userId": "u1", "traits": {"plan": "pro", "again": 1}})
    [left_out] = answer.json()["leftOut"]
    assert (left_out["index"], left_out["part"]) == (0, "traits.again")
    answer = await harness.post("identify", {"userId": "u1", "traits": {f"more{number}": 1 for number in range(130)}})
    assert (len(answer.json()["leftOut"]), answer.json()["unnamed"]) == (100, 30)
    await harness.track("u1", "Seen")
    timeline = await harness.timeline("u1")
    assert [item["summary"] for item in timeline if item["kind"] == "entry"] == ["entered pro"]
    assert [item["data"]["part"] for item in timeline if item["kind"] == "reject"] == [
        "traits.t999",
        "traits.one_more",
        "traits.again",
        *(f"traits.more{number}" for number in range(100)),
    ]


async def test_what_has_no_room_is_named_by_its_place_in_the_batch(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was refused or stood there twice before it, and however many transactions the batch takes."""
    monkeypatch.setattr(ingest_module, "MAX_EVENTS", 2)
    for start in (0, 500):
        await harness.identify("u1", **{f"t{start + number}": number for number in range(500)})
    calls: list[dict[str, Any]] = [
        {"type": "track", "userId": "u1", "event": "Seen", "messageId": "m0"},
        {"type": "track", "userId": "u1"},
        {"type": "track", "userId": "u1", "event": "Seen", "messageId": "m0"},
        {"type": "track", "userId": "u1", "event": "Seen"},
        {"type": "track", "userId": "u1", "event": "Seen"},
        {"type": "identify", "userId": "u1", "traits": {"one_more": 1}},
    ]
    answer = (await harness.post("batch", {"batch": calls})).json()
    assert [(each["index"], each["part"]) for each in answer["leftOut"]] == [(5, "traits.one_more")]
    assert [row["position"] for row in await harness.query(REJECTS) if row["part"]] == [5]


async def test_no_profile_grows_beyond_its_bytes_whatever_is_sent(query: Query, ingest: Ingest) -> None:
    for number in range(12):
        traits: dict[str, Any] = {f"big{number}": "x" * 30_000, f"small{number}": number}
        word = event("identify", "u1", **traits)
        await ingest([word], received_at=AT)
    [profile] = await query("SELECT traits FROM profiles")
    assert len(msgspec.json.encode(profile["traits"])) <= MAX_TRAITS_BYTES
    assert {name for name in profile["traits"] if name.startswith("small")} == {f"small{n}" for n in range(12)}
    rejects = await query(REJECTS)
    assert len(rejects) == 12 - len([name for name in profile["traits"] if name.startswith("big")]) > 0
    assert all(row["error"].startswith("the traits of a profile may have 262,144 bytes") for row in rejects)


async def test_consent_does_not_grow_whatever_channels_are_named(harness: Harness) -> None:
    def calls(start: int) -> list[dict[str, Any]]:
        named = [{f"c{start + call}_{number}": True for number in range(300)} for call in range(20)]
        return [{"type": "identify", "userId": "u1", "traits": {"consent": consent}} for consent in named]

    await harness.identify("u1", consent={"email": False})
    for start in (0, 20):
        answer = (await harness.post("batch", {"batch": calls(start)})).json()
        assert len(answer["leftOut"]) + answer["unnamed"] >= 20
    assert answer["leftOut"][0]["part"] == "traits.consent"
    [person] = await harness.query("SELECT consent, said -> 'consent' AS said FROM profiles")
    assert (len(person["consent"]), person["consent"]["email"]) == (MAX_CONSENTS, False)
    assert sum(len(names) - 2 for names in person["said"]) == MAX_CONSENTS
    rejects = await harness.query("SELECT part FROM rejects WHERE starts_with(error, 'a profile may have consent')")
    assert all(reject["part"].startswith("traits.consent.c") for reject in rejects)
    assert rejects


async def test_of_merged_profiles_the_traits_said_last_are_kept_and_the_others_recorded(
    query: Query, ingest: Ingest
) -> None:
    first: dict[str, Any] = {f"old{number}": number for number in range(700)}
    second: dict[str, Any] = {f"new{number}": number for number in range(700)}
    await ingest([event("identify", "u1", at=AT.replace(hour=1), **first)], received_at=AT)
    await ingest([event("identify", None, anonymous="a1", at=AT.replace(hour=2), **second)], received_at=AT)
    await ingest([event("identify", "u1", anonymous="a1")], received_at=AT)
    [profile] = await query("SELECT traits FROM profiles")
    assert len(profile["traits"]) == MAX_TRAITS
    assert second.keys() <= profile["traits"].keys()
    rejects = await query("SELECT part, error, unrecorded FROM rejects ORDER BY id")
    assert (len(rejects), rejects[-1]["unrecorded"]) == (100, 300)
    assert all(reject["part"].startswith("traits.old") for reject in rejects)
    assert rejects[0]["error"].startswith("a profile may have 1,000 traits in 262,144 bytes")


async def test_a_step_names_what_has_no_room_among_its_errors(harness: Harness) -> None:
    await harness.run_campaign(
        "{key: c, name: C, entry: {event: Seen}, steps: [{id: remember, update_profile: {seen: true, t1: again}}]}", {}
    )
    for start in (0, 500):
        await harness.identify("u1", **{f"t{start + number}": number for number in range(500)})
    await harness.track("u1", "Seen")
    await harness.ended("u1")
    [update] = [item for item in await harness.timeline("u1") if item["kind"] == "update_profile"]
    assert update["data"]["traits"] == ["t1"]
    assert update["data"]["errors"] == {
        "seen": "a profile may have 1,000 traits, and this one has 1,000: leave `seen` out"
    }
