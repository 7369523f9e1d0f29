"""docs/people.md is true: its commands get their answers, its tables are the code's."""

import re
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from domain.channels.kinds import CHANNELS
from domain.people import identity, profile_state
from domain.people.consent import ConsentFacts, find_refusal
from domain.retention_document import DEFAULT_DAYS
from domain.tracking import external_ids, identifiers, item, item_error, rejects, traits
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import open_live
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows

PAGE = (Path(__file__).parents[2] / "docs" / "people.md").read_text()
KNOWN = {"URL": "http://sojourn.test", "KEY": ADMIN_KEY, "WRITE_KEY": WRITE_KEY}
CALLS: dict[str, list[dict[str, Any]]] = {
    "refused": [
        {"type": "track", "event": "E"},
        {"type": "track", "event": "E", "userId": "undefined"},
        {"type": "purchase", "userId": "u-1"},
        {"type": "track", "userId": "u-1"},
        {"type": "alias", "userId": "u-1"},
        {"type": "group", "userId": "u-1"},
        {"type": "track", "event": "E", "userId": "u\n1"},
        {"type": "track", "event": "E", "userId": "u" * 256},
        {"type": "track", "event": "E", "userId": "u-1", "properties": {"text": "x" * 32 * 1024}},
        {"type": "track", "event": "E", "userId": "u-1", "properties": {"number": 2**64}},
    ],
    "left out": [
        {"type": "identify", "userId": "u-1", "traits": {"email": 1}},
        {"type": "identify", "userId": "u-1", "traits": {"timezone": "GMT+2"}},
        {"type": "identify", "userId": "u-1", "traits": {"consent": "all"}},
        {"type": "identify", "userId": "u-1", "traits": {"consent": {"email": "perhaps"}}},
    ],
}


@pytest.fixture
async def client(database_url: str) -> Any:
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        yield client


async def test_the_commands_are_answered_as_they_say(client: httpx.AsyncClient, database_url: str) -> None:
    lines = curl_lines(PAGE)
    assert len(lines) > 12
    for text in lines:
        line = read_curl(text, KNOWN)
        answer = await client.send(line.request)
        assert answer.status_code == line.status, f"{text}\n{answer.text}"
        if line.then:
            assert answer.json()["code"] == line.then
    [reject] = answer.json()["rejects"]
    assert (reject["outcome"], reject["part"]) == ("left_out", "traits.timezone")
    async with await psycopg.AsyncConnection.connect(database_url, row_factory=dict_row) as connection:
        cursor = await connection.execute(
            "SELECT user_id, traits, consent, suppressed FROM profiles WHERE user_id = 'u-1'"
        )
        [person] = await cursor.fetchall()
    assert {name: value for name, value in person["traits"].items() if value is not None} == {
        "email": "ada@example.com",
        "plan": "team",
        "address": {"city": "Rome"},
        "tier": "gold",
        "seats": 3,
    }
    assert (person["user_id"], person["consent"], person["suppressed"]) == ("u-1", {"email": True}, {"email": None})


async def test_the_timeline_shows_the_changes(client: httpx.AsyncClient) -> None:
    for line in [read_curl(text, KNOWN) for text in curl_lines(PAGE)[:3]]:
        answer = await client.send(line.request)
    answer = await client.get("/v1/users/u-1/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    changes = answer.json()["items"][-1]["changes"][0]["changes"]
    assert changes["plan"] == {"before": "free", "after": "pro"}
    assert changes["first_name"] == {"before": "Ada", "after": None}


async def test_what_is_refused_and_what_is_left_out(client: httpx.AsyncClient) -> None:
    for calls, key in zip(CALLS.values(), ("rejected", "leftOut"), strict=True):
        answer = await client.post("/v1/batch", json={"batch": calls}, auth=(WRITE_KEY, ""))
        assert [named["index"] for named in answer.json()[key]] == list(range(len(calls)))


async def test_a_past_call_that_arrives_late_overwrites_nothing(client: httpx.AsyncClient) -> None:
    for traits_said, more in (({"plan": "pro"}, {}), ({"plan": "free", "since": 2020}, {"timestamp": "2020-01-01"})):
        call = {"userId": "u-1", "traits": traits_said, "context": {"backfill": True}, **more}
        assert (await client.post("/v1/identify", json=call, auth=(WRITE_KEY, ""))).status_code == 200
    answer = await client.get("/v1/users/u-1/timeline", headers={"Authorization": f"Bearer {ADMIN_KEY}"})
    changes = [change for each in answer.json()["items"] for change in each["changes"]]
    changed = [change["changes"] for change in changes if change["part"] == "traits"]
    assert {name: value["after"] for change in changed for name, value in change.items()} == {
        "plan": "pro",
        "since": 2020,
    }


def test_consent_allows_what_the_page_says() -> None:
    said = {"`true`": {"email": True}, "nothing": {}, "`false`": {"email": False}}
    for given, transactional, others in rows(PAGE, "## Consent"):
        facts = ConsentFacts(said[given], {})
        assert (find_refusal("email", "transactional", facts) is None) == (transactional == "go")
        assert (find_refusal("email", "marketing", facts) is None) == (others == "go")
    allows, refuses = re.findall(r"Silence allows by (.+), and refuses by (.+)\. If your law", PAGE)[0]
    assert set(re.findall(r"`(\w+)`", allows)) == {kind.name for kind in CHANNELS.values() if kind.silence_allows}
    assert set(re.findall(r"`(\w+)`", refuses)) == {kind.name for kind in CHANNELS.values() if not kind.silence_allows}


def test_the_bounds_are_those_of_the_page() -> None:
    assert {row[0]: row[1] for row in rows(PAGE, "## Bounds")} == {
        "traits of a profile": f"{profile_state.MAX_TRAITS:,}, in {profile_state.MAX_TRAITS_BYTES // 1024} KB of JSON",
        "consents of a call": f"{traits.MAX_CALL_CONSENTS}",
        "consents of a profile": f"{profile_state.MAX_CONSENTS}: refusals stay before grants, then the latest",
        "answers about topics": f"{traits.MAX_CALL_CONSENTS} of a call, {profile_state.MAX_PREFERENCES} of a profile",
        "a call": f"{item.MAX_ITEM_BYTES // 1024} KB",
        "external ids": f"{external_ids.MAX_CALL_EXTERNAL_IDS} of a call, {identity.MAX_EXTERNAL_IDS} of a person",
        "an id": f"{identifiers.MAX_ID_CHARACTERS} characters",
        "rejects that an answer names": f"{rejects.MAX_RECORDED}",
        "rejects are kept": f"{DEFAULT_DAYS['rejects']} days",
    }
    assert f"{item_error.MAX_DEPTH} levels of nesting" in PAGE
