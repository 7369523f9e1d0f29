"""Demo calls: a task for the owner, completed in the CRM, or told to the team."""

import hmac
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from channels.call import hubspot
from channels.call.hubspot import Hubspot
from channels.call.hubspot_reports import TaskReader
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
from tests.harness import Harness

SECRET = "an-app-of-the-crm-1234567890"
PROVIDERS = """
providers:
  crm: {kind: hubspot, channel: call, token: {env: SOJOURN_SECRET_CRM}, callback_secret: {env: SOJOURN_SECRET_APP}}
  team: {kind: slack, channel: slack, token: {env: SOJOURN_SECRET_SLACK}}
"""
UPSERT = "POST /crm/v3/objects/tasks/batch/upsert"


@pytest.fixture
async def service(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    """HubSpot and Slack."""
    service = Service(
        replies={
            UPSERT: answer(200, b'{"results": [{"id": "512"}]}'),
            "POST /api/chat.postMessage": answer(200, b'{"ok": true, "channel": "C1", "ts": "1.2"}'),
        }
    )
    async with listening(service.talk) as port:
        base = f"http://127.0.0.1:{port}"

        def open_hubspot(_: HubspotModel, __: ProviderContext) -> Hubspot:
            return Hubspot("token", base)

        def open_slack(_: SlackModel, __: ProviderContext) -> SlackApi:
            return SlackApi("token", base)

        put_at(monkeypatch, hubspot.KIND, open_hubspot, lambda *_: TaskReader(SECRET, "token", base))
        put_at(monkeypatch, slack.KIND, open_slack)
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.run_campaign((EXAMPLES / "demo-call.yaml").read_text(), templates_beside(EXAMPLES / "any.yaml"))
        yield service


async def asks_for_a_demo(harness: Harness) -> str:
    """Somebody whose call is a task; the id of its message."""
    # It is the afternoon where she is: a colleague may call.
    zone = zone_where_it_is(15, datetime.now(UTC))
    await harness.identify("ada", name="Ada", phone="01512 3456789", timezone=zone, consent={"call": True})
    await harness.track("ada", "Demo Requested", {"plan": "Plus"})
    [message] = await harness.messages.until(channel="call", state="sent")
    return str(message["id"])


async def complete(harness: Harness) -> int:
    event = {"eventId": 1, "objectId": 512, "propertyName": "hs_task_status", "propertyValue": "COMPLETED"}
    content, time = json.dumps([event]).encode(), str(int(datetime.now(UTC).timestamp() * 1_000))
    signed = b"POSThttps://sojourn.example.com/v1/callbacks/crm" + content + time.encode()
    signature = b64encode(hmac.new(SECRET.encode(), signed, sha256).digest()).decode()
    headers = {"X-HubSpot-Request-Timestamp": time, "X-HubSpot-Signature-v3": signature}
    return (await harness.http.post("/v1/callbacks/crm", content=content, headers=headers)).status_code


async def test_a_completed_call_ends_the_wait(harness: Harness, service: Service) -> None:
    message = await asks_for_a_demo(harness)
    await harness.until("SELECT 1 FROM journeys WHERE step = 'done'")
    task = {"id": "512", "properties": {"sojourn_message_id": message}}
    service.replies["POST /crm/v3/objects/tasks/batch/read"] = answer(200, json.dumps({"results": [task]}).encode())
    assert await complete(harness) == 200
    assert await (await harness.journey("ada")).result() == "called"
    [written] = [json.loads(one.body) for one in service.requests if one.line.startswith(UPSERT)]
    assert written["inputs"][0]["properties"]["hs_task_subject"] == "Call Ada about the demo"
    assert "demo of Plus" in written["inputs"][0]["properties"]["hs_task_body"]


async def test_a_call_that_waits_is_told_to_the_team(harness: Harness, service: Service) -> None:
    await asks_for_a_demo(harness)
    await harness.until("SELECT 1 FROM journeys WHERE step = 'done'")
    handle = await harness.journey("ada")
    await harness.skip(handle, days=1)
    assert await handle.result() == "completed"
    told = [json.loads(one.body) for one in service.requests if "postMessage" in one.line]
    assert [(one["channel"], one["text"][:5]) for one in told] == [("#sales", "*Ada*")]


async def test_without_a_consent_nobody_calls(harness: Harness, service: Service) -> None:
    await harness.identify("bea", name="Bea", phone="+49 1512 3456789")
    await harness.track("bea", "Demo Requested")
    [refused] = await harness.decisions.until(kind="send", outcome="refused")
    assert (refused["reason"], service.requests) == ("no_consent", [])
