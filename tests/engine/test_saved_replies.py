"""A webhook's reply decides about the journey that asked for it, and is written into the next message."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.channels.servers import Receiver, Request, answer, listening
from tests.harness import MAIL, Harness

SCORE = """---
channel: webhook
method: POST
url: http://127.0.0.1:PORT/score/{{ profile.user_id }}
save: {level: reply.json.level, points: reply.json.detail.points}
body: {user: "{{ profile.user_id }}"}
---
"""
CAMPAIGN = """
key: scored
name: Scored
entry: {event: Signed Up}
steps:
  - {id: ask, send: {channel: webhook, template: score, category: transactional}}
  - id: decide
    branch:
      - when: journey.saved.level == 'gold'
        do: [{id: note, send: {channel: email, template: note, category: transactional}}]
      - when: "!has(journey.saved.level)"
        do: [{id: again, delay: 1d}, {exit: unknown}]
"""
NOTE = MAIL.replace("Cart {{", "{{ journey.saved.level }} with {{ journey.saved.points | default: 0 }} {{")


@dataclass
class Scores:
    """A receiver that answers with each of `replies` in turn, and with the last one ever after."""

    replies: list[bytes]
    port: int = 0
    requests: list[Request] = field(default_factory=list)

    async def talk(self, reader: Any, writer: Any) -> None:
        receiver = Receiver(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0])
        await receiver.talk(reader, writer)
        self.requests += receiver.requests


def reply(**values: Any) -> bytes:
    return answer(200, json.dumps(values).encode())


@pytest.fixture
async def scores(request: pytest.FixtureRequest) -> AsyncIterator[Scores]:
    receiver = Scores(list(request.param))
    async with listening(receiver.talk) as receiver.port:
        yield receiver


async def kept(harness: Harness) -> Any:
    row = await harness.journeys.one()
    return row["saved"]


async def run(harness: Harness, scores: Scores, campaign: str = CAMPAIGN) -> None:
    await harness.run_campaign(campaign, {"score.liquid": SCORE.replace("PORT", str(scores.port)), "note.liquid": NOTE})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")


@pytest.mark.parametrize("scores", [[reply(level="gold", detail={"points": 7}, more="x")]], indirect=True)
async def test_a_reply_decides_a_branch_and_stands_in_the_next_mail(harness: Harness, scores: Scores) -> None:
    await run(harness, scores)
    handle = await harness.journey("u1")
    assert await handle.result() == "completed"
    [mail] = harness.inbox.messages
    assert "gold with 7" in mail.message.as_string()
    assert await kept(harness) == {"level": "gold", "points": 7}
    timeline = await harness.timeline("u1")
    assert "ask: webhook score sent: saved level, points" in [item["summary"] for item in timeline]
    assert "decide: case 1, as journey.saved.level == 'gold'" in [item["summary"] for item in timeline]
    assert scores.requests[0].line == "POST /score/u1 HTTP/1.1"
    raw = b"".join(event.SerializeToString() for event in (await handle.fetch_history()).events)
    assert b"decide" in raw
    assert b"gold" not in raw


NOT_JSON = [answer(200, b"<html>gold</html>")]


@pytest.mark.parametrize("scores", [NOT_JSON, [reply(level=None)], [reply(other=1)]], indirect=True)
async def test_a_reply_without_the_value_is_explained(harness: Harness, scores: Scores) -> None:
    await run(harness, scores)
    handle = await harness.journey("u1")
    await harness.rests(handle, "again")
    assert await kept(harness) == {}
    [said] = [item["summary"] for item in await harness.timeline("u1") if item["kind"] == "message"]
    assert said.startswith("ask: webhook score sent: ")
    assert "saved: " in said
    assert "gold" not in said


REPEATED = """
key: polled
name: Polled
entry: {event: Signed Up}
steps:
  - id: poll
    repeat: {every: 1h, times: 3, until: {when: has(journey.saved.points)}}
    do: [{id: ask, send: {channel: webhook, template: score, category: transactional}}]
  - {id: rest, delay: 1d}
"""
POLLED = [reply(level="a"), reply(detail={"points": 1}), reply(level="never")]


@pytest.mark.parametrize("scores", [POLLED], indirect=True)
async def test_each_visit_replaces_what_the_one_before_has_saved(harness: Harness, scores: Scores) -> None:
    await run(harness, scores, REPEATED)
    handle = await harness.journey("u1")
    await harness.until('SELECT 1 FROM journeys WHERE saved = \'{"level": "a"}\'')
    await harness.skip(handle, hours=1)
    await harness.until("SELECT 1 FROM journeys WHERE saved = '{\"points\": 1}'")
    await harness.skip(handle, hours=1)
    await harness.rests(handle, "rest")
    assert await kept(harness) == {"points": 1}
    assert len(scores.requests) == 2


@pytest.mark.parametrize("scores", [[reply(level="silver")]], indirect=True)
async def test_a_merge_of_profiles_keeps_what_is_saved(harness: Harness, scores: Scores) -> None:
    await harness.run_campaign(
        REPEATED.replace("times: 3", "times: 2")
        .replace("until: {when: has(journey.saved.points)}", "")
        .replace("times: 2, ", "times: 2"),
        {
            "score.liquid": SCORE.replace("PORT", str(scores.port))
            .replace("/{{ profile.user_id }}", "")
            .replace("{{ profile.user_id }}", "x")
        },
    )
    await harness.post("track", {"anonymousId": "a-1", "event": "Signed Up", "messageId": "m-1"})
    await harness.until("SELECT 1 FROM journeys WHERE saved <> '{}'")
    await harness.post("identify", {"anonymousId": "a-1", "userId": "u1", "messageId": "m-2"})
    found = await harness.query(
        "SELECT saved, user_id FROM journeys JOIN profiles ON profiles.id = profile_id WHERE state = 'active'"
    )
    assert found == [{"saved": {"level": "silver"}, "user_id": "u1"}]


BEFORE = """
key: moved
name: Moved
entry: {event: Signed Up}
steps:
  - {id: ask, send: {channel: webhook, template: score, category: transactional}}
  - {id: rest, delay: 1d}
"""
AFTER = BEFORE + "  - id: decide\n    branch: [{when: journey.saved.level == 'gold', do: [{exit: gold}]}]\n"


@pytest.mark.parametrize("scores", [[reply(level="gold")]], indirect=True)
async def test_a_migrated_journey_keeps_what_is_saved(harness: Harness, scores: Scores) -> None:
    await run(harness, scores, BEFORE)
    handle = await harness.journey("u1")
    await harness.rests(handle, "rest")
    await harness.publish(AFTER, {"score.liquid": SCORE.replace("PORT", str(scores.port))})
    await harness.admin("POST", "/v1/campaigns/moved/start", {"in_flight": "migrate"})
    await harness.until("SELECT 1 FROM journeys WHERE campaign_version = 2")
    await harness.skip(handle, days=1)
    assert (await harness.ended("u1"))["outcome"] == "gold"
    assert await kept(harness) == {"level": "gold"}
