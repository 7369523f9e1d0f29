"""ETag, If-Match and If-None-Match, over a real database."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from api.entity_tags import is_known, precondition
from domain.errors import PreconditionFailedError
from tests.api.fakes import WRITE_KEY
from tests.api.live import DOCUMENT, RULES


@pytest.mark.parametrize(
    ("if_match", "current", "passes"),
    [
        (None, 7, True),
        (None, None, True),
        ("*", 7, True),
        ("*", None, False),
        ('"7"', 7, True),
        ('"7.0123456789ab"', 7, True),
        ('"6", "7"', 7, True),
        ('"6"', 7, False),
        ('"7"', None, False),
        ('W/"7"', 7, False),
        ("7", 7, False),
        ('"seven"', 7, False),
        ('"²"', 2, False),
        ("", 7, False),
    ],
)
async def test_if_match(if_match: str | None, current: int | None, passes: bool) -> None:
    asked = await precondition(if_match)
    if passes:
        asked.require(current)
    else:
        with pytest.raises(PreconditionFailedError):
            asked.require(current)


@pytest.mark.parametrize(
    ("if_none_match", "known"),
    [('"7"', True), ('W/"7"', True), ('"6", "7"', True), ("*", True), ('"6"', False), ("7", False), ('"7.a"', False)],
)
def test_if_none_match(if_none_match: str, known: bool) -> None:
    assert is_known(if_none_match, '"7"') is known


async def test_a_campaign_is_changed_as_it_was_seen(operator: httpx.AsyncClient) -> None:
    assert (await operator.post("/v1/campaigns", json=DOCUMENT, headers={"If-Match": "*"})).status_code == 412
    await operator.post("/v1/campaigns", json=DOCUMENT)
    seen = (await operator.get("/v1/campaigns/hello")).headers["etag"]
    started = await operator.post("/v1/campaigns/hello/start", headers={"If-Match": seen})
    assert started.status_code == 200
    for verb in ("pause", "start", "stop", "resume", "archive"):
        late = await operator.post(f"/v1/campaigns/hello/{verb}", headers={"If-Match": seen})
        assert (late.status_code, late.json()["code"]) == (412, "precondition_failed")
        now = late.json()["current"]
    assert (await operator.post("/v1/campaigns", json=DOCUMENT, headers={"If-Match": seen})).status_code == 412
    assert (await operator.post("/v1/campaigns/hello/pause", headers={"If-Match": now})).status_code == 200


async def test_of_two_who_have_seen_the_same_one_is_refused(operator: httpx.AsyncClient) -> None:
    async def put(rule: str) -> httpx.Response:
        body = {"file": "caps.yaml", "source": RULES.replace("weekly", rule)}
        return await operator.put("/v1/frequency-caps", json=body, headers={"If-Match": '"0"'})

    answers = await asyncio.gather(*(put(f"rule{number}") for number in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert (await operator.get("/v1/frequency-caps")).headers["etag"] == '"1"'


async def test_what_has_not_changed_is_not_sent_again(operator: httpx.AsyncClient, database_url: str) -> None:
    await operator.post("/v1/campaigns", json=DOCUMENT)
    await operator.post("/v1/campaigns/hello/start")
    for path in ("/v1/campaigns/hello", "/v1/campaigns/hello/versions/1", "/v1/frequency-caps"):
        seen = (await operator.get(path)).headers["etag"]
        again = await operator.get(path, headers={"If-None-Match": seen})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", seen)
    seen = (await operator.get("/v1/campaigns/hello")).headers["etag"]
    call = {"userId": "u-1", "event": "Signed Up"}
    await operator.post("/v1/track", json=call, headers={"Authorization": f"Bearer {WRITE_KEY}"})
    # A journey more is no change of the campaign, and is seen all the same.
    changed = await operator.get("/v1/campaigns/hello", headers={"If-None-Match": seen})
    assert (changed.status_code, changed.json()["active_journeys"]) == (200, 1)
    assert (await operator.post("/v1/campaigns/hello/pause", headers={"If-Match": seen})).status_code == 200


async def test_the_versions_of_a_campaign(operator: httpx.AsyncClient) -> None:
    sources = [DOCUMENT["source"].replace("1h", f"{hours}h") for hours in (1, 2, 3)]
    for source in sources:
        await operator.post("/v1/campaigns", json={**DOCUMENT, "source": source})
    first = (await operator.get("/v1/campaigns/hello/versions", params={"limit": 2})).json()
    rest = (await operator.get("/v1/campaigns/hello/versions", params={"after": first["next"]})).json()
    heads: list[dict[str, Any]] = first["versions"] + rest["versions"]
    assert ([head["version"] for head in heads], rest["next"]) == ([3, 2, 1], None)
    second = await operator.get("/v1/campaigns/hello/versions/2")
    assert second.json() == {**heads[1], "source": sources[1], "templates": {}}
    assert second.headers["etag"] == '"2"'
    changes = await operator.get("/v1/campaigns/hello/versions/3/changes", params={"from": 1})
    assert (changes.json()["before"], changes.json()["after"]) == (1, 3)
    [change] = changes.json()["changes"]
    assert (change["kind"], change["what"], change["before"], change["after"]) == ("changed", "step", "1h", "3h")
    for path in (
        "/v1/campaigns/none/versions",
        "/v1/campaigns/hello/versions/4",
        "/v1/campaigns/none/versions/1",
        "/v1/campaigns/hello/versions/3/changes?from=4",
    ):
        assert (await operator.get(path)).status_code == 404


async def test_readiness_tells_each_part(operator: httpx.AsyncClient, database_url: str) -> None:
    ready = await operator.get("/readyz")
    worker = "no worker has reported yet: run `sojourn worker`"
    parts = dict.fromkeys(("database", "migrations", "partitions", "clock", "outbox"), "ok") | {"worker": worker}
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "parts": parts})
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute(
            "INSERT INTO outbox (workflow_id, kind, payload, created_at) "
            "VALUES ('w', 'start', '{}', now() - interval '75 seconds')"
        )
        ready = await operator.get("/readyz")
        assert ready.status_code == 200
        assert ready.json()["parts"]["outbox"].startswith(
            "the oldest row of the outbox has waited for 75 s: see that a worker"
        )
        cursor = await connection.execute("SELECT to_char(now() AT TIME ZONE 'UTC', '\"events_\"YYYY_MM')")
        [[partition]] = await cursor.fetchall()
        await connection.execute(f"DROP TABLE {partition}")
        ready = await operator.get("/readyz")
        assert (ready.status_code, ready.json()["parts"]["partitions"].split()[2]) == (200, partition)
        await connection.execute("UPDATE alembic_version SET version_num = '0001'")
        ready = await operator.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.json()["parts"]["migrations"].startswith(
            "the database is at revision 0001, and this release needs"
        )
