"""Everything that `sojourn dev` runs, together."""

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.dev_banner import print_banner
from cli.dev_folder import DevFolder
from cli.dev_stack import DevPorts, DevStack
from cli.main import run
from domain.errors import ConflictError
from runtime.embedded.inbox import Inbox
from runtime.embedded.ports import free_port
from tests import generated
from tests.docs.test_cli import PAGE
from tests.forks import fork
from tests.harness import MAIL, PATIENCE, looks
from tests.runtime.conftest import killed_run

CAMPAIGN = """
key: welcome
name: Welcome
entry: {event: Signed Up}
steps:
  - {id: hello, send: {channel: email, template: note}}
"""
CALL = """---
channel: webhook
url: "https://crm.example.com/call?key={{ secrets.crm }}"
save: {level: reply.json.level}
---
{"action": "ring"}
"""
MY_OWN = generated.secret("my own")
RUN = """
import asyncio, sys
from pathlib import Path
from cli.dev_stack import DevStack
from runtime.logs import configure_logs

async def main():
    configure_logs()
    async with DevStack(Path(sys.argv[1]), durable=False) as stack:
        print(stack.api_url, flush=True)
        await stack.serve()

asyncio.run(main())
"""


def admin(stack: DevStack) -> dict[str, str]:
    return {"Authorization": f"Bearer {stack.settings.admin_key.get_secret_value()}"}


async def run_campaign(stack: DevStack, http: httpx.AsyncClient, source: str, template: str) -> None:
    document = {"file": "campaign.yaml", "source": source, "templates": {"note.liquid": template}}
    published = await http.post("/v1/campaigns", json=document, headers=admin(stack))
    assert published.is_success, published.text
    (await http.post("/v1/campaigns/welcome/start", headers=admin(stack))).raise_for_status()


async def report(stack: DevStack, http: httpx.AsyncClient, *calls: dict[str, Any]) -> None:
    write_key = (stack.settings.write_key.get_secret_value(), "")
    for call in calls:
        (await http.post("/v1/batch", json={"batch": [call]}, auth=write_key)).raise_for_status()


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SOJOURN_"):
            monkeypatch.delenv(name)


@pytest.mark.takes_long
async def test_a_second_stack_starts_after_a_killed_one_but_not_beside_it(folder: Path) -> None:
    with killed_run(RUN, str(folder)) as api_url:
        with pytest.raises(ConflictError, match=f"process \\d+ already runs .* its API at {api_url};"):
            await DevStack(folder).__aenter__()
        announced = json.loads((folder / "dev.json").read_text())
        assert announced["api_url"] == api_url

    async with DevStack(folder, durable=False) as stack, httpx.AsyncClient(trust_env=False) as client:
        assert stack.settings.admin_key.get_secret_value() == announced["admin_key"]
        assert stack.settings.write_key.get_secret_value() == announced["write_key"]
        assert (await client.get(f"{stack.api_url}/readyz")).json()["status"] == "ok"
        assert stack.settings.console_edit == "apply"
        assert stack.inbox is not None
        assert stack.settings.smtp_port == stack.inbox.smtp_port
    assert not (folder / "dev.json").exists()


async def test_real_servers_replace_embedded_ones(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with DevStack(folder / "first", durable=False) as first:
        mail = await Inbox.start()
        monkeypatch.setenv("SOJOURN_DATABASE_URL", first.settings.database_url.get_secret_value())
        monkeypatch.setenv("SOJOURN_TEMPORAL_ADDRESS", first.settings.temporal_address)
        monkeypatch.setenv("SOJOURN_SMTP_HOST", "127.0.0.1")
        monkeypatch.setenv("SOJOURN_SMTP_PORT", str(mail.smtp_port))
        monkeypatch.setenv("SOJOURN_ADMIN_KEY", MY_OWN)
        monkeypatch.setenv("SOJOURN_BUILD_ID", "1")
        monkeypatch.setenv("SOJOURN_CONSOLE_EDIT", "plan")
        async with DevStack(folder / "second", ports=DevPorts(api=first.settings.api_port)) as second:
            assert (second.postgres, second.temporal, second.inbox) == (None, None, None)
            assert second.settings.smtp_port == mail.smtp_port
            assert second.settings.admin_key.get_secret_value() == MY_OWN
            assert second.settings.build_id is None
            assert second.settings.console_edit == "plan"
            assert second.settings.api_port != first.settings.api_port
            assert await asyncio.to_thread(run, ["dev", "forward", "1d", "--data", str(folder / "second")]) == 1
            assert "whose time cannot be moved: start it without SOJOURN_DATABASE_URL" in capsys.readouterr().err
        await mail.stop()


async def test_the_inbox_says_where_a_mail_comes_from(folder: Path) -> None:
    async with (
        DevStack(folder, durable=False) as stack,
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
    ):
        assert stack.inbox is not None
        await run_campaign(stack, http, CAMPAIGN, MAIL)
        await report(
            stack,
            http,
            {"type": "identify", "userId": "u 1", "traits": {"email": "ada@example.com"}},
            {"type": "track", "userId": "u 1", "event": "Signed Up"},
        )
        await stack.inbox.wait_for(1, timeout=PATIENCE)
        [journey] = (await http.get("/v1/journeys?user=u 1", headers=admin(stack))).json()["journeys"]
        page = (await http.get(f"{stack.inbox.url}/messages/1")).text
        [listed] = (await http.get(f"{stack.inbox.url}/api/messages")).json()
    for text in (
        "welcome <small>version 1</small>",
        "hello <small>email note</small>",
        "sojourn explain &#x27;u 1&#x27;",
    ):
        assert text in page
    assert f"<code>sojourn journeys show {journey['id']}</code>" in page
    assert f'href="{journey["url"]}"' in page
    assert listed["origin"]["journey_id"] == journey["id"]


async def test_webhooks_are_shown_in_the_inbox_where_the_developer_wants_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As docs/cli.md chooses it. The webhook names a secret, which stays a name."""
    [chosen] = re.findall(r"^providers: \{inbox: .*$", PAGE, re.MULTILINE)
    monkeypatch.setenv("SOJOURN_SECRET_CRM", "do not show this")
    monkeypatch.setenv("SOJOURN_SECRET_CRM_HOSTS", "crm.example.com")
    monkeypatch.setenv("SOJOURN_SECRET_UNBOUND", "do not show this")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    async with (
        DevStack(folder, durable=False) as stack,
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
    ):
        assert stack.inbox is not None
        await print_banner(stack, DevPorts(api=1))
        told = capsys.readouterr().out
        assert f"\nAPI: port {stack.settings.api_port} instead of 1.\n" in told
        assert "\nThe secret unbound is bound to no host, as webhooks and SMTP servers need: for https" in told
        assert f"\nIn another terminal, first: export PATH={Path(sys.executable).parent}:$PATH\n" in told
        assert " ahead" not in told
        applied = {"file": "providers.yaml", "source": chosen}
        (await http.put("/v1/providers", json=applied, headers=admin(stack))).raise_for_status()
        source = CAMPAIGN.replace("channel: email", "channel: webhook")
        await run_campaign(stack, http, source, CALL)
        await report(stack, http, {"type": "track", "userId": "u 1", "event": "Signed Up"})
        async for is_last in looks(PATIENCE):
            if listed := (await http.get(f"{stack.inbox.url}/api/messages")).json():
                break
            assert not is_last
        pages = [(await http.get(stack.inbox.url + path)).text for path in ("/", "/messages/1")]
        timeline = (await http.get("/v1/users/u 1/timeline", headers=admin(stack))).json()["items"]
    [shown] = listed
    assert shown["content"]["url"] == "https://crm.example.com/call?key={{ secrets.crm }}"
    assert (shown["origin"]["channel"], shown["origin"]["step"]) == ("webhook", "hello")
    [said] = [item for item in timeline if item["kind"] == "message"]
    assert said["outcome"] == "sent"
    assert said["summary"].endswith("sent: not saved: level (the provider `console` has no reply)")
    assert all("{{ secrets.crm }}" in page and "do not show" not in page for page in pages)
    assert '<b class="tag">webhook</b>' in pages[0]


def test_keys_are_made_once_and_only_for_their_owner(folder: Path) -> None:
    keys = DevFolder(folder).keys()
    assert DevFolder(folder).keys() == keys
    assert DevFolder(folder).keys_file.stat().st_mode & 0o777 == 0o600
    assert keys["webhook_signing_secret"].startswith("whsec_")


async def test_one_interrupt_stops_all(folder: Path) -> None:
    ports = ("--api-port", "--temporal-port", "--temporal-ui-port", "--postgres-port", "--smtp-port", "--inbox-port")
    options = [part for option in ports for part in (option, str(free_port()))]
    process = await fork("dev", "--data", str(folder), *options, variables=os.environ)
    said = []
    async for line in process.stdout:
        said.append(line.decode())
        if line.startswith(b"Ctrl-C"):
            process.send_signal(signal.SIGINT)
    assert await process.wait() == 0
    # Its log goes to standard error, which is the same here.
    assert [line for line in said if not line.startswith("{")][-1] == "Stopping.\n"
    assert not (folder / "postgres" / "cluster" / "postmaster.pid").exists()
    assert not (folder / "temporal" / "temporal.pid").exists()
    assert not (folder / "dev.json").exists()
