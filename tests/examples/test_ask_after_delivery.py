"""A micro-survey by mail: a link for each grade, a page that confirms it, and a journey that moves by the answer."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.call import hubspot
from channels.call.hubspot import Hubspot
from channels.provider_kind import ProviderContext
from channels.slack import slack
from channels.slack.slack import SlackApi
from cli.demo.zones import zone_where_it_is
from cli.documents import templates_beside
from domain.sending.providers.hubspot import HubspotModel
from domain.sending.providers.slack import SlackModel
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.examples.harness import EXAMPLES
from tests.harness import PATIENCE, Harness

PROVIDERS = """
providers:
  crm: {kind: hubspot, channel: call, token: {env: SOJOURN_SECRET_CRM}, callback_secret: {env: SOJOURN_SECRET_APP}}
  team: {kind: slack, channel: slack, token: {env: SOJOURN_SECRET_SLACK}}
"""
TASK = "POST /crm/v3/objects/tasks/batch/upsert"


@pytest.fixture
async def service(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """HubSpot and Slack."""
    service = Service(
        replies={
            TASK: answer(200, b'{"results": [{"id": "512"}]}'),
            "POST /api/chat.postMessage": answer(200, b'{"ok": true, "channel": "C1", "ts": "1.2"}'),
        }
    )
    async with listening(service.talk) as port:
        base = f"http://127.0.0.1:{port}"

        def open_hubspot(_: HubspotModel, __: ProviderContext) -> Hubspot:
            return Hubspot("token", base)

        def open_slack(_: SlackModel, __: ProviderContext) -> SlackApi:
            return SlackApi("token", base)

        put_at(monkeypatch, hubspot.KIND, open_hubspot, lambda *_: None)
        put_at(monkeypatch, slack.KIND, open_slack)
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.run_campaign(
            (EXAMPLES / "ask-after-delivery.yaml").read_text(), templates_beside(EXAMPLES / "any.yaml")
        )
        yield service


async def is_asked(harness: Harness, user: str = "ada", **traits: Any) -> dict[int, str]:
    """Somebody whose delivery is three days old; the link of each grade."""
    zone = zone_where_it_is(15, datetime.now(UTC))
    await harness.identify(user, email=f"{user}@example.com", first_name=user.title(), timezone=zone, **traits)
    await harness.track(user, "Order Delivered")
    handle = await harness.journey(user)
    await harness.rests(handle, "unpack")
    await harness.skip(handle, days=3)
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    await harness.rests(handle, "answer")
    html = mail.message.get_body(("html",))
    assert html is not None
    links = re.findall(r'href="([^"]*/survey/[^"]*\?answer=(\d+))"', html.get_content())
    assert [int(grade) for _, grade in links] == list(range(11))
    return {int(grade): re.sub(r"^https?://[^/]+", "", link) for link, grade in links}


async def gives(harness: Harness, link: str, question: str, given: str) -> str:
    return (await harness.http.post(link, data={"question": question, "answer": given})).text


async def events(harness: Harness) -> list[dict[str, Any]]:
    rows = await harness.query("SELECT properties FROM events WHERE name = 'Survey Answered' ORDER BY recorded_at")
    return [row["properties"] for row in rows]


async def test_a_nine_asks_for_a_story_within_a_second(harness: Harness, service: Service) -> None:
    link = (await is_asked(harness))[9]
    # A scanner follows every link, by every method that reads.
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        page = await harness.http.request(method, link)
    assert 'value="9" checked' in page.text
    assert await events(harness) == []
    began = asyncio.get_running_loop().time()
    assert "What did you like most?" in await gives(harness, link, "nps", "9")
    mails = await harness.inbox.wait_for(2, timeout=PATIENCE)
    print(f"from the answer to the next mail: {asyncio.get_running_loop().time() - began:.2f} s")  # noqa: T201
    assert str(mails[-1].message["Subject"]) == "Would you tell your story?"
    text = mails[-1].message.get_body(("plain",))
    assert text is not None
    assert "you gave us a 9: thank you!" in text.get_content()
    # The page goes on while the journey has moved.
    assert "Thank you" in await gives(harness, link, "liked", "The box")
    told = await events(harness)
    assert [(one["question"], one.get("score"), one.get("text")) for one in told] == [
        ("nps", 9, None),
        ("liked", None, "The box"),
    ]
    assert (told[0]["campaign"], told[0]["step"], told[0]["template"]) == ("ask-after-delivery", "ask", "nps")
    assert (await harness.ended("ada"))["outcome"] == "completed"
    assert service.requests == []


async def test_a_three_is_a_task_for_a_colleague_with_the_persons_words(harness: Harness, service: Service) -> None:
    link = (await is_asked(harness, phone="01512 3456789", consent={"call": True}))[3]
    assert "We are sorry. What went wrong?" in await gives(harness, link, "nps", "3")
    await harness.until("SELECT 1 FROM journeys WHERE step = 'words'")
    assert "Thank you" in await gives(harness, link, "missed", "It came late")
    await harness.messages.until(channel="call", state="sent")
    [task] = [json.loads(one.body) for one in service.requests if one.line.startswith(TASK)]
    written = task["inputs"][0]["properties"]
    assert written["hs_task_subject"] == "Call Ada: 3 of 10"
    assert "In their words: It came late" in written["hs_task_body"]


async def test_without_a_phone_the_team_is_told_also_without_words(harness: Harness, service: Service) -> None:
    link = (await is_asked(harness))[6]
    await gives(harness, link, "nps", "6")
    handle = await harness.journey("ada")
    await harness.rests(handle, "words")
    await harness.skip(handle, minutes=10)
    assert await handle.result() == "completed"
    [told] = [json.loads(one.body) for one in service.requests if "postMessage" in one.line]
    assert (told["channel"], told["text"].strip()) == ("#support", "*Ada* gave 6 of 10.")


async def test_a_survey_that_is_answered_twice_counts_once(harness: Harness, service: Service) -> None:
    links = await is_asked(harness)
    pages = await asyncio.gather(*(gives(harness, links[grade], "nps", str(grade)) for grade in (8, 8, 7, 8)))
    assert all("Thank you" in page for page in pages)
    assert "Thank you" in (await harness.http.get(links[2])).text
    assert "Thank you" in await gives(harness, links[2], "nps", "2")
    [event] = await events(harness)
    [kept] = await harness.query("SELECT question, score FROM survey_answers")
    assert (kept["question"], kept["score"]) == ("nps", event["score"])
    assert (await harness.ended("ada"))["outcome"] == "completed"
    results = await harness.admin("GET", "/v1/surveys/nps/results")
    [group] = results["groups"]
    assert (group["shown"], group["answered"], group["questions"][0]["answers"]) == (1, 1, 1)


async def test_who_does_not_answer_is_left_in_peace(harness: Harness, service: Service) -> None:
    await is_asked(harness)
    handle = await harness.journey("ada")
    await harness.skip(handle, days=14)
    assert await handle.result() == "silent"
    assert len(harness.inbox.messages) == 1
