"""What was not taken is seen afterwards: by the API, on the timeline, and for 30 days."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from application import ingest
from runtime.maintenance import apply_retention
from store.database import Database
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import open_live


@pytest.fixture
async def api(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        yield client


async def report(api: httpx.AsyncClient, *calls: dict[str, Any]) -> dict[str, Any]:
    answer = await api.post("/v1/batch", json={"batch": calls}, auth=(WRITE_KEY, ""))
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


async def read(api: httpx.AsyncClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = await api.get(path, params=parameters, headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def identify(user: str, message_id: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": user, "messageId": message_id, "traits": traits}


async def test_a_trait_left_out_is_named_and_costs_no_other(api: httpx.AsyncClient, database_url: str) -> None:
    call = identify("u1", "m1", email="ada@example.com", timezone="GMT+2", consent={"email": 0, "push": "maybe"})
    told = await report(api, call, {"type": "track", "userId": "u1", "messageId": "m2"})
    assert [(part["index"], part["messageId"], part["part"]) for part in told["leftOut"]] == [
        (0, "m1", "traits.timezone"),
        (0, "m1", "traits.consent.push"),
    ]
    assert [(one["index"], one["messageId"]) for one in told["rejected"]] == [(1, "m2")]
    assert (await report(api, call)).keys() <= {"success", "leftOut", "duplicates"}
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        [person] = await (await connection.execute("SELECT traits, consent FROM profiles")).fetchall()
    assert person == {"traits": {"email": "ada@example.com"}, "consent": {"email": False}}

    page = await read(api, "/v1/rejects")
    assert [(one["outcome"], one["part"], one["message_id"], one["body"]) for one in page["rejects"]] == [
        ("left_out", "traits.consent.push", "m1", '"maybe"'),
        ("left_out", "traits.timezone", "m1", '"GMT+2"'),
        ("refused", None, "m2", page["rejects"][2]["body"]),
    ], "what came again has lost nothing again"
    lines = [item["summary"] for item in (await read(api, "/v1/users/u1/timeline"))["items"]]
    assert sorted(lines) == [
        "call refused: a track needs event, a non-empty string",
        "identify",
        'left out: traits.consent.push must be true or false, or 1, 0, "yes" or "no"; it is "maybe"',
        'left out: traits.timezone must be an IANA name such as "Europe/Berlin"; it is "GMT+2"',
    ]


async def test_a_user_whose_calls_were_all_refused_has_a_timeline(api: httpx.AsyncClient) -> None:
    """Which says so, instead of that nothing was ever reported. A stranger has none."""
    for number in range(5):
        await report(api, {"type": "trakc", "userId": "u1", "messageId": f"m{number}"})
        await report(api, {"type": "page", "userId": "undefined", "anonymousId": "a\n1", "event": "E"})
    items: list[dict[str, Any]] = []
    before: dict[str, str] = {}
    for _ in range(3):
        page = await read(api, "/v1/users/u1/timeline", limit=2, **before)
        items += page["items"]
        before = {"before": page["next"]}
    assert [(item["kind"], item["outcome"], item["data"]["message_id"]) for item in items] == [
        ("reject", "refused", f"m{number}") for number in (3, 4, 1, 2, 0)
    ]
    answer = await api.get("/v1/users/undefined/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    assert answer.status_code == 404


async def test_an_anonymous_past_is_seen_on_the_timeline_of_the_user(api: httpx.AsyncClient) -> None:
    await report(api, {"type": "track", "anonymousId": "a1", "messageId": "before"})
    await report(api, {"type": "identify", "anonymousId": "a1", "userId": "u1"})
    items = (await read(api, "/v1/users/u1/timeline"))["items"]
    assert [item["kind"] for item in items] == ["reject", "event"]


async def test_rejects_come_in_pages_and_by_filter(api: httpx.AsyncClient) -> None:
    for number in range(4):
        await report(
            api,
            {"type": "x", "userId": f"u{number % 2}", "messageId": f"m{number}"},
            identify("u1", f"i{number}", email=number),
        )
    first = await read(api, "/v1/rejects", limit=5)
    rest = await read(api, "/v1/rejects", limit=5, after=first["next"])
    assert len({one["id"] for one in first["rejects"] + rest["rejects"]}) == 8
    assert rest["next"] is None
    by_user = await read(api, "/v1/rejects", user_id="u1", outcome="refused")
    assert [one["message_id"] for one in by_user["rejects"]] == ["m3", "m1"]
    left_out = await read(api, "/v1/rejects", outcome="left_out")
    assert [one["message_id"] for one in left_out["rejects"]] == ["i3", "i2", "i1", "i0"]


async def test_rejects_take_the_scope_read(api: httpx.AsyncClient) -> None:
    answer = await api.get("/v1/rejects", headers={"Authorization": f"Bearer {WRITE_KEY}"})
    assert (answer.status_code, answer.json()["scope"]) == (403, "read")


async def test_a_small_body_does_not_become_a_large_table(api: httpx.AsyncClient, database_url: str) -> None:
    """Some dozen bytes of gzip were 1.57 MB of rejects."""
    body = gzip.compress(b'{"batch":[' + b"0," * 9_999 + b"0]}", 9)
    assert len(body) < 120
    answer = await api.post("/v1/batch", content=body, auth=(WRITE_KEY, ""))
    assert len(answer.content) < 20_000
    told = answer.json()
    assert (len(told["rejected"]), told["unnamed"]) == (100, 9_900)
    assert [one["unrecorded"] for one in (await read(api, "/v1/rejects", limit=500))["rejects"]] == [9_900, *[0] * 99]
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        rows = await (await connection.execute("SELECT sum(pg_column_size(rejects)) AS size FROM rejects")).fetchall()
    assert rows[0]["size"] < 25_000


@pytest.mark.parametrize("at_once", [2_000, 7])
async def test_what_is_not_recorded_is_counted_with_its_new_calls(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """A hundred parts are recorded: of these calls, those of the first fifty."""
    monkeypatch.setattr(ingest, "MAX_EVENTS", at_once)
    calls = [identify(f"u{number}", f"m{number}", email=1, timezone="?") for number in range(60)]
    for reported, unrecorded in (
        (calls[:50], 0),
        (calls, 20),
        (calls, 20),
        ([*calls, identify("u", "m", email=1)], 21),
    ):
        await report(api, *reported)
        rejects = (await read(api, "/v1/rejects", limit=500))["rejects"]
        assert sum(one["unrecorded"] for one in rejects) == unrecorded
        assert len([one for one in rejects if one["message_id"] is not None]) == 100
    assert {one["outcome"] for one in rejects} == {"left_out"}


async def test_rejects_are_forgotten_after_thirty_days(api: httpx.AsyncClient, database_url: str) -> None:
    for number in range(3):
        await report(api, {"type": "x", "userId": "u1", "messageId": f"m{number}"})
    async with Database(database_url, pool_size=1) as database:
        async with database.transaction() as connection:
            await connection.execute(
                "UPDATE rejects SET received_at = now() - CASE message_id WHEN 'm0' THEN interval '30 days 1 minute' "
                "WHEN 'm1' THEN interval '29 days 23 hours' ELSE interval '0' END"
            )
        await apply_retention(database)
    assert [one["message_id"] for one in (await read(api, "/v1/rejects"))["rejects"]] == ["m2", "m1"]


async def test_what_an_impossible_clock_said_is_kept_and_shown(api: httpx.AsyncClient) -> None:
    await report(api, {"type": "track", "event": "E", "userId": "u1", "timestamp": "1970-01-01T00:00:00Z"})
    [item] = (await read(api, "/v1/users/u1/timeline"))["items"]
    assert item["data"]["reported_timestamp"].startswith("1970-01-01T00:00:00")
    assert item["summary"].startswith("E (its clock said 1970-01-01T00:00:00")
    assert item["at"] > "2026"


async def test_a_deployment_has_a_list_of_its_own_of_texts_that_are_no_ids(database_url: str) -> None:
    async with (
        open_live(database_url, placeholder_ids=("nobody",), admin_key=SecretStr(ADMIN_KEY)) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        told = await report(client, {"type": "page", "userId": "Nobody"}, {"type": "page", "userId": "guest"})
    assert [one["index"] for one in told["rejected"]] == [0]
