"""The pricing page opens a chat, which counts in the caps; its reply, its end and an answer that waits."""

import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from channels.chat import chatwoot
from channels.chat.chatwoot import ChatwootInbox
from channels.provider_kind import ProviderContext
from channels.slack import slack
from channels.slack.slack import SlackApi
from cli.documents import templates_beside
from domain.sending.outbound_secrets import BoundSecret
from domain.sending.providers.chatwoot import ChatwootModel
from domain.sending.providers.slack import SlackModel
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.examples.harness import EXAMPLES
from tests.harness import Harness, open_harness
from tests.servers import TemporalServer

SECRET = "a-hook-of-chatwoot-1234567890"
PROVIDERS = """
providers:
  helpdesk:
    {kind: chatwoot, channel: chat, url: "https://chat.example.com", account: 7, inbox: 3,
     token: {env: SOJOURN_SECRET_TOKEN}, callback_secret: {env: SOJOURN_SECRET_HOOK}}
  team: {kind: slack, channel: slack, token: {env: SOJOURN_SECRET_TOKEN}}
"""
NOTE = """
key: news
name: News
entry: {event: News Requested}
steps: [{id: letter, send: {channel: email, template: note}}]
"""


@pytest.fixture
async def service(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """Chatwoot, which knows nobody yet, and Slack."""
    made = {"payload": {"contact": {"id": 5}, "contact_inbox": {"source_id": "s-5"}}}
    service = Service(
        replies={
            "GET": answer(200, b'{"payload": []}'),
            "POST /api/v1/accounts/7/contacts": answer(200, json.dumps(made).encode()),
            "POST /api/v1/accounts/7/conversations": answer(200, b'{"id": 42}'),
            "POST /api/chat.postMessage": answer(200, b'{"ok": true, "channel": "C1", "ts": "1.2"}'),
        }
    )
    async with listening(service.talk) as port:

        def open_chatwoot(settings: ChatwootModel, _: ProviderContext) -> ChatwootInbox:
            return ChatwootInbox("token", settings.account, settings.inbox, f"http://127.0.0.1:{port}")

        def open_slack(settings: SlackModel, _: ProviderContext) -> SlackApi:
            return SlackApi("token", f"http://127.0.0.1:{port}")

        put_at(monkeypatch, chatwoot.KIND, open_chatwoot)
        put_at(monkeypatch, slack.KIND, open_slack)
        yield service


@pytest.fixture
async def shop(database_url: str, temporal: TemporalServer, service: Service) -> AsyncIterator[Harness]:
    secrets = {name: BoundSecret(SECRET, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "HOOK")}
    async with open_harness(database_url, temporal, webhook_secrets=secrets) as harness:
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.put_caps("rules: [{name: daily, limit: 1, per: 1d}]")
        await harness.run_campaign(
            (EXAMPLES / "pricing-help.yaml").read_text(), templates_beside(EXAMPLES / "any.yaml")
        )
        await harness.run_campaign(NOTE)
        yield harness


async def opens_the_prices(harness: Harness, user: str) -> None:
    await harness.identify(user, email=f"{user}@example.com", first_name="Ada", consent={"chat": True})
    await harness.post("page", {"name": "Pricing", "userId": user})
    await harness.skip(await harness.journey(user, "pricing-help"), minutes=1)


async def call_back(harness: Harness, body: dict[str, Any]) -> int:
    content, time = json.dumps(body).encode(), str(int(datetime.now(UTC).timestamp()))
    digest = hmac.new(SECRET.encode(), time.encode() + b"." + content, "sha256").hexdigest()
    headers = {"X-Chatwoot-Timestamp": time, "X-Chatwoot-Signature": f"sha256={digest}"}
    return (await harness.http.post("/v1/callbacks/helpdesk", content=content, headers=headers)).status_code


async def reply(harness: Harness) -> dict[str, Any]:
    """Let the person answer in the chat; the attributes of the conversation."""
    [message] = await harness.messages.until(channel="chat", state="sent")
    attributes = {"sojourn_message_id": str(message["id"])}
    conversation = {"id": 42, "custom_attributes": attributes}
    said = {
        "event": "message_created",
        "id": 9,
        "message_type": "incoming",
        "content": "Yes",
        "conversation": conversation,
    }
    assert await call_back(harness, said) == 200
    return attributes


async def test_a_chat_counts_in_the_caps_and_its_end_ends_the_journey(shop: Harness, service: Service) -> None:
    await opens_the_prices(shop, "ada")
    attributes = await reply(shop)
    await shop.track("ada", "News Requested")
    [capped] = await shop.decisions.until(campaign_key="news", outcome="refused")
    assert (capped["reason"], capped["data"]["rule"]) == ("capped", "daily")
    await shop.until("SELECT 1 FROM journeys WHERE step = 'answer'")
    ended = {"event": "conversation_status_changed", "id": 42, "status": "resolved", "custom_attributes": attributes}
    assert await call_back(shop, ended) == 200
    assert await (await shop.journey("ada", "pricing-help")).result() == "helped"
    begun = [
        json.loads(request.body) for request in service.requests if "conversations" in request.line and request.body
    ]
    assert [one["message"]["content"] for one in begun] == ["Hi Ada, can I help you to compare the plans?"]
    names = [item["summary"] for item in await shop.timeline("ada") if item["kind"] == "event"]
    assert {"Chat Replied", "Chat Resolved"} <= set(names)


async def test_an_answer_that_waits_is_told_to_the_team_once(shop: Harness, service: Service) -> None:
    await opens_the_prices(shop, "ada")
    await reply(shop)
    await shop.until("SELECT 1 FROM journeys WHERE step = 'answer'")
    handle = await shop.journey("ada", "pricing-help")
    await shop.skip(handle, hours=2)
    assert await handle.result() == "completed"
    told = [json.loads(request.body) for request in service.requests if "postMessage" in request.line]
    assert [(one["channel"], one["text"][:5]) for one in told] == [("#sales", "*Ada*")]
