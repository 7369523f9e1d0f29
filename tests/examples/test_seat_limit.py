"""An account whose seats are used up: its admin and its owner hear of it once, whoever ran into it."""

import json
from collections.abc import AsyncIterator

import pytest

from channels.provider_kind import ProviderContext
from channels.slack import slack
from channels.slack.slack import SlackApi
from cli.documents import templates_beside
from domain.sending.providers.slack import SlackModel
from tests.channels.local_providers import put_at
from tests.channels.servers import Service, answer, listening
from tests.examples.harness import EXAMPLES
from tests.harness import Harness

PROVIDERS = "providers:\n  team: {kind: slack, channel: slack, token: {env: SOJOURN_SECRET_SLACK}}\n"
POST = "POST /api/chat.postMessage"


@pytest.fixture
async def service(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    service = Service(replies={POST: answer(200, b'{"ok": true, "channel": "C1", "ts": "1.2"}')})
    async with listening(service.talk) as port:

        def open_slack(_: SlackModel, __: ProviderContext) -> SlackApi:
            return SlackApi("token", f"http://127.0.0.1:{port}")

        put_at(monkeypatch, slack.KIND, open_slack)
        await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        await harness.run_campaign((EXAMPLES / "seat-limit.yaml").read_text(), templates_beside(EXAMPLES / "any.yaml"))
        yield service


async def test_an_admin_is_told_once_though_several_members_run_into_it(harness: Harness, service: Service) -> None:
    for user, role in (("ada", "admin"), ("bea", "member"), ("cem", "member")):
        await harness.identify(user, email=f"{user}@example.com")
        await harness.post("group", {"userId": user, "groupId": "acme", "traits": {"name": "Acme", "role": role}})
    for user in ("bea", "cem", "bea"):
        await harness.track(user, "Seat Limit Reached", context={"groupId": "acme"})
    await harness.until("SELECT 1 FROM journeys WHERE step = 'until-they-act'")
    assert [mail.recipients for mail in harness.inbox.messages] == [("ada@example.com",)]
    told = [json.loads(request.body) for request in service.requests if request.line.startswith(POST)]
    assert [(one["channel"], one["text"]) for one in told] == [("#sales", "*Acme* has used up its seats.")]
    [journey] = await harness.journeys.all()
    await harness.track("cem", "Seats Added", context={"groupId": "acme"})
    await harness.until("SELECT 1 FROM journeys WHERE id = %s AND state = 'exited'", journey["id"])
