"""API and worker in processes of their own, watched while all that can go well or wrong does; then they are stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import httpx
import pytest

from domain.sending.outbound_secrets import BoundSecret
from domain.sending.receiving import ReceivingDomain
from runtime.embedded.ports import free_port
from tests.databases import database_of
from tests.forks import fork
from tests.generated import LINK_SECRET
from tests.harness import PATIENCE, WRITE_KEY, Harness, ago, looks, open_harness
from tests.processes import environment
from tests.servers import PostgresServer, TemporalServer
from tests.watching.collector import Collector, Taken, collecting

# What is about persons here, none of which is an id.
PERSONAL = ("secret-address", "Secretname", "secret-street", "secret-cart", "987654321", "secret-link")
GOOD, REFUSED, BROKEN = "u-good", "u-refused", "u-broken"
GIVEN_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

WELCOME = """
key: welcome
name: Welcome
entry: {event: Signed Up}
exit: [{event: Account Closed}]
replies: {forward_to: sales@example.com}
steps:
  - {id: hello, send: {channel: email, template: note}}
  - id: answered
    wait_for: {event: Answered, timeout: 2d}
    on_event:
      - {id: thanks, send: {channel: email, template: note}}
      - {id: told, emit_event: {event: Hooked}}
"""
HOOK = """
key: hook
name: Hook
entry: {event: Hooked, reentry: always, key: event.message_id}
steps:
  - {id: call, send: {channel: webhook, template: hook}}
"""
# The carts of these events are texts.
DECLARED = "events: {Signed Up: {properties: {cart: {type: number}}}}"
MAIL = """---
channel: email
subject: "Hello {{ profile.traits.name }}"
from: Example Shop <hello@example.com>
text: "To {{ profile.traits.street }}"
---
<p>{{ profile.traits.name }}</p>
"""
NOWHERE = """---
channel: webhook
url: http://localhost:9/hooks
---
name: "{{ profile.traits.name }}"
"""


HOOK_SECRET = "a-hook-of-postmark-1234567890"
HOOK_SECRETS = {name: BoundSecret(HOOK_SECRET, place=f"SOJOURN_SECRET_{name}") for name in ("TOKEN", "HOOK")}
PROVIDERS = """
providers:
  smtp:
    {kind: postmark, channel: email, token: {env: SOJOURN_SECRET_TOKEN}, callback_secret: {env: SOJOURN_SECRET_HOOK}}
  ads: {kind: meta, token: {env: SOJOURN_SECRET_MISSING}}
"""
AUDIENCES = "audiences: {trial: {provider: ads, id: '7'}}"


@dataclass(frozen=True)
class Watched:
    """What the processes have told by the time they ended."""

    log: str
    api_metrics: str
    worker_metrics: str
    collector: Collector

    @property
    def metrics(self) -> str:
        return self.api_metrics + self.worker_metrics

    def spans(self, trace: str) -> list[Taken]:
        return [span for span in self.collector.spans if span.trace == trace]


@pytest.fixture(scope="session")
async def watched(
    postgres: PostgresServer,
    migrated: str,
    temporal: TemporalServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Watched:
    log = tmp_path_factory.mktemp("watched") / "log"
    with collecting() as collector:
        async with (
            database_of(postgres, migrated) as url,
            open_harness(
                url, temporal, is_working=False, api_port=free_port(), webhook_secrets=HOOK_SECRETS
            ) as harness,
        ):
            addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
            async with (
                _process("api", harness, log, addresses[0], collector.url),
                _process("worker", harness, log, addresses[1], collector.url),
                httpx.AsyncClient(
                    base_url=f"http://127.0.0.1:{harness.settings.api_port}", trust_env=False, timeout=PATIENCE
                ) as http,
            ):
                harness.http = http
                await _answers(http)
                await _live(harness)
                await _report(harness)
                api, worker = [await _scraped(address) for address in addresses]
    return Watched(log.read_text(), api, worker, collector)


@asynccontextmanager
async def _process(part: str, harness: Harness, log: Path, metrics: str, traces: str) -> AsyncIterator[None]:
    variables = {
        **environ,
        **environment(harness.settings),
        "SOJOURN_METRICS_ADDRESS": metrics,
        "OTEL_EXPORTER_OTLP_ENDPOINT": traces,
        # What is left is handed over at the end of the process, or never.
        "OTEL_BSP_SCHEDULE_DELAY": "600000",
        "NO_PROXY": "127.0.0.1",
    }
    process = await fork(part, variables=variables)
    try:
        yield
    finally:
        process.terminate()
        written, _ = await process.communicate()
        with log.open("ab") as output:
            output.write(written)
        assert process.returncode == 0


async def _answers(http: httpx.AsyncClient) -> None:
    async for is_last in looks(180):
        try:
            if (await http.get("/readyz")).is_success:
                return
        except httpx.TransportError:
            pass
        assert not is_last, "the API is not ready"


async def _live(harness: Harness) -> None:
    for source, templates in ((WELCOME, {"note.liquid": MAIL}), (HOOK, {"hook.liquid": NOWHERE})):
        await harness.run_campaign(source, templates)
    await harness.admin("PUT", "/v1/events", {"file": "events.yaml", "source": DECLARED})
    for user in (GOOD, REFUSED, BROKEN):
        await harness.identify(
            user, email=f"secret-address-{user}@example.com", name="Secretname", street="secret-street"
        )
    harness.inbox.refuse.add(f"secret-address-{REFUSED}@example.com")
    properties = {"cart": "secret-cart", "value": 987654321}
    # The row that the gate cannot read.
    await harness.query("UPDATE profiles SET consent = '\"secret-link\"' WHERE user_id = %s RETURNING 1", BROKEN)
    await harness.track(BROKEN, "Signed Up", properties)
    await harness.track(REFUSED, "Signed Up", properties)
    await harness.track(GOOD, "Hooked", properties)
    signed_up = {"messageId": "m-1", "userId": GOOD, "event": "Signed Up", "properties": properties}
    parent = {"traceparent": f"00-{GIVEN_TRACE}-00f067aa0ba902b7-01", "baggage": "name=Secretname"}
    for _ in ("new", "seen before"):
        await harness.http.post("/v1/track", json=signed_up, auth=(WRITE_KEY, ""), headers=parent)
    await harness.messages.until(state="sent")
    await harness.messages.until(state="failed")
    await harness.until("SELECT 1 FROM messages WHERE channel = 'webhook' AND attempts > 0 AND state = 'reserved'")
    await harness.track(GOOD, "Answered", properties)
    await harness.messages.until(step="thanks", state="sent")
    await harness.track(REFUSED, "Account Closed", properties)
    await harness.journeys.until(campaign_key="welcome", state="completed")
    await harness.messages.until(2, channel="webhook")
    await harness.until("SELECT 1 FROM violations")
    await _go_wrong(harness)


async def _report(harness: Harness) -> None:
    """Let a person answer, and the provider of the mails report a delivery."""
    [message] = await harness.query("SELECT id FROM messages WHERE channel = 'email' AND state = 'sent' LIMIT 1")
    author = "From: Secretname <secret-address@example.com>"
    address = ReceivingDomain("example.com", (LINK_SECRET,)).address("reply", message["id"])
    reply = f"{author}\r\nTo: {address}\r\n\r\nsecret-cart\r\n"
    headers = {"Content-Type": "message/rfc822"}
    answer = await harness.http.post("/v1/mails", content=reply, headers=headers, auth=(WRITE_KEY, ""))
    assert (answer.status_code, answer.json()) == (200, {"outcome": "replied"})
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
    report = {"RecordType": "Delivery", "Metadata": {"message_id": str(message["id"])}, "DeliveredAt": ago(seconds=1)}
    answer = await harness.http.post("/v1/callbacks/smtp", json=report, auth=("sojourn", HOOK_SECRET))
    assert answer.status_code == 200, answer.text
    await harness.admin("PUT", "/v1/audiences", {"file": "audiences.yaml", "source": AUDIENCES})
    # As an erasure leaves it; the account has no secret.
    await harness.query(
        "INSERT INTO ad_audience_leftovers (audience_id, held) SELECT id, '{email:x}' FROM ad_audiences RETURNING 1"
    )
    await harness.until("SELECT 1 FROM ad_audiences WHERE failure IS NOT NULL")


async def _go_wrong(harness: Harness) -> None:
    stray = await harness.temporal.start_workflow("Stray", id="stray", task_queue=harness.settings.task_queue)
    async for is_last in looks(180):
        if (await stray.describe()).raw_description.pending_workflow_task.attempt > 1:
            break
        assert not is_last, "the worker knows every workflow"
    await stray.terminate()
    http = harness.http
    bad = {"batch": [{"type": "track", "userId": GOOD, "properties": {"name": "Secretname"}}]}
    await harness.post("batch", bad)
    await http.get("/secret-address@example.com")
    await http.get("/v1/users/secret-address@example.com/timeline")
    await http.post("/v1/track", content=b"{secret-cart", auth=(WRITE_KEY, ""))
    await http.request("PROPFIND", "/healthz")
    await http.request("SECRET-LINK", "/healthz")
    await harness.act("GET", "/v1/users/secret-address@example.com/timeline")
    await harness.act("PATCH", "/v1/campaigns/secret-link")
    # The database refuses a row, and quotes it.
    async with harness.database.transaction() as connection:
        await connection.execute(
            "ALTER TABLE profiles ADD CONSTRAINT nameless CHECK (traits ->> 'name' <> 'Secretname') NOT VALID"
        )
    answer = await http.post(
        "/v1/identify", json={"userId": GOOD, "traits": {"name": "Secretname"}}, auth=(WRITE_KEY, "")
    )
    assert answer.status_code == 500
    reader, writer = await asyncio.open_connection("127.0.0.1", harness.settings.api_port)
    writer.write(b"secret-link\r\n\r\n")
    await reader.read()
    writer.close()


async def _scraped(address: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(f"http://{address}/metrics")
        assert answer.status_code == 200
        return answer.text
