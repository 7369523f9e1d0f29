"""Messages go by the providers of the document; another takes over before a hand-over only, and none is stranded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

import worker
from channels import registry
from channels.email import postmark
from channels.email.postmark import Postmark
from channels.provider_kind import ProviderContext
from domain.sending.providers.postmark import PostmarkModel
from domain.sending.routes import DailyLimit
from store import warm_up
from store.database import Database
from tests.channels.servers import HANG_UP, Mailbox, Receiver, answer, listening, scripted_smtp, smtp_server
from tests.harness import Harness

CAMPAIGN = """
key: hello
name: Hello
entry: {event: Signed Up}
steps:
  - {id: note, send: {channel: email, template: note, category: CATEGORY}}
"""


@dataclass
class Server:
    """A mail server that can be away: it then hangs up before its greeting."""

    is_away: bool = False
    port: int = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_away:
            await scripted_smtp(CONNECT=HANG_UP)(reader, writer)
            return
        await scripted_smtp()(reader, writer)


@dataclass
class TimedMailbox(Mailbox):
    """Keeps as well when each mail came."""

    times: list[float] = field(default_factory=list)

    async def handle_DATA(self, *dialogue: Any) -> str:
        self.times.append(asyncio.get_running_loop().time())
        return await super().handle_DATA(*dialogue)


@asynccontextmanager
async def mail_server(*, is_away: bool = False) -> AsyncIterator[Server]:
    server = Server(is_away)
    async with listening(server.talk) as port:
        server.port = port
        yield server


@asynccontextmanager
async def another_worker(harness: Harness) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(harness.settings, stop=stop))
    try:
        yield
    finally:
        stop.set()
        await running


def smtp(server: Server, more: str = "") -> str:
    return f"{{kind: smtp, channel: email, host: 127.0.0.1, port: {server.port}, security: none{more}}}"


async def put_providers(harness: Harness, source: str) -> None:
    await harness.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})


async def sign_up(harness: Harness, users: int, category: str = "marketing") -> None:
    await harness.run_campaign(CAMPAIGN.replace("CATEGORY", category))
    for number in range(users):
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
        await harness.track(f"u{number}", "Signed Up")


async def sent_by(harness: Harness, users: int) -> dict[str, int]:
    await harness.until("SELECT 1 FROM messages WHERE state = 'sent' HAVING count(*) = %s", users)
    rows = await harness.query("SELECT provider, count(*) AS number FROM messages GROUP BY provider")
    return {row["provider"]: row["number"] for row in rows}


async def circuit(harness: Harness, name: str) -> dict[str, Any] | None:
    rules = (await harness.admin("GET", "/v1/providers"))["rules"]
    [found] = [rule.get("circuit") for rule in rules if rule["name"] == name]
    return found  # type: ignore[no-any-return]


async def test_the_next_provider_takes_over_once_the_first_has_failed_and_gives_back(harness: Harness) -> None:
    async with mail_server(is_away=True) as first, mail_server() as second:
        await put_providers(
            harness,
            f"providers:\n  first: {smtp(first)}\n  second: {smtp(second)}\n"
            "routes: [{channel: email, use: [first, second]}]\n",
        )
        await sign_up(harness, 8)
        assert await sent_by(harness, 8) == {"second": 8}
        opened = await circuit(harness, "first")
        assert opened is not None
        assert (opened["state"], opened["reason"]) == ("open", "connection")
        assert await harness.query("SELECT 1 FROM messages WHERE attempts > 0 AND first_handed_over_at IS NULL") == []
        # A message that was put off has gone back to the gate.
        cancelled = "SELECT 1 FROM message_changes WHERE state = 'cancelled' AND reason = 'provider_unavailable'"
        assert await harness.query(cancelled)
        [told] = await harness.query(
            """
            SELECT bool_and(data -> 'open_circuits' ? 'first') AS by_second FROM decisions
            WHERE outcome = 'granted' AND data ->> 'provider' = 'second'
            """
        )
        assert told["by_second"] is True
        lines = [line["summary"] for line in await harness.timeline("u0")]
        assert any("granted, by second, as the circuit of first is open since 20" in line for line in lines)
        # A minute later one message tries the first, which has recovered.
        first.is_away = False
        await harness.query("UPDATE provider_circuits SET probe_at = clock_timestamp() RETURNING provider")
        await harness.identify("u8", email="u8@example.com")
        await harness.track("u8", "Signed Up")
        assert await sent_by(harness, 9) == {"first": 1, "second": 8}
        assert await circuit(harness, "first") is None


async def test_a_message_that_meets_a_fault_of_the_account_goes_by_the_next_provider_at_once(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(Receiver(answer(401)).talk) as refusing, mail_server() as second:

        def open_first(settings: PostmarkModel, _: ProviderContext) -> Postmark:
            return Postmark("token", settings.stream, f"http://127.0.0.1:{refusing}")

        kinds = {kind.name: kind for kind in registry.PROVIDERS} | {"postmark": replace(postmark.KIND, open=open_first)}
        monkeypatch.setattr(registry, "PROVIDERS", tuple(kinds.values()))
        await put_providers(
            harness,
            "providers:\n  first: {kind: postmark, channel: email, token: {env: SOJOURN_SECRET_POSTMARK}}\n"
            f"  second: {smtp(second)}\nroutes: [{{channel: email, use: [first, second]}}]\n",
        )
        await sign_up(harness, 2)
        # A minute before the first is tried again.
        assert await sent_by(harness, 2) == {"second": 2}
        opened = await circuit(harness, "first")
        assert opened is not None
        assert (opened["state"], opened["reason"]) == ("open", "account")


async def test_without_another_provider_messages_wait_for_the_circuit(harness: Harness) -> None:
    async with mail_server(is_away=True) as only:
        await put_providers(harness, f"providers:\n  only: {smtp(only)}\n")
        await sign_up(harness, 1)
        await harness.until("SELECT 1 FROM provider_circuits WHERE opened_at IS NOT NULL")
        await harness.messages.until(state="reserved")
        only.is_away = False
        # As an operator who has mended the account does.
        await put_providers(harness, f"providers:\n  only: {smtp(only)}\n# mended\n")
        await harness.query("SELECT 1")
        assert await circuit(harness, "only") is None


async def test_a_full_day_of_the_warm_up_overflows_to_the_next_or_waits(harness: Harness) -> None:
    async with mail_server() as new, mail_server() as old:
        today = datetime.now(UTC).date().isoformat()
        warm = f'warm_up: {{provider: new, from: "{today}", daily: [3]}}'
        await put_providers(
            harness,
            f"providers:\n  new: {smtp(new)}\n  old: {smtp(old)}\n"
            f"routes: [{{channel: email, use: [new, old], {warm}}}]\n",
        )
        await sign_up(harness, 8)
        assert await sent_by(harness, 8) == {"new": 3, "old": 5}
        await put_providers(
            harness, f"providers:\n  new: {smtp(new)}\nroutes: [{{channel: email, use: [new], {warm}}}]\n"
        )
        await harness.identify("u9", email="u9@example.com")
        await harness.track("u9", "Signed Up")
        [deferred] = await harness.decisions.until(outcome="deferred")
        assert deferred["reason"] == "warm_up"
        assert deferred["data"]["provider"] == "new"
        summaries = [item["summary"] for item in await harness.timeline("u9")]
        assert any("warm_up: the day of new is full" in one for one in summaries)


async def test_a_provider_with_a_pace_has_a_queue_and_a_removed_one_strands_nobody(harness: Harness) -> None:
    async with mail_server() as first, mail_server(is_away=True) as second:
        await put_providers(harness, f"providers:\n  first: {smtp(first, ', per_second: 50')}\n")
        await sign_up(harness, 1)
        assert await sent_by(harness, 1) == {"first": 1}
        handle = await harness.journey("u0")
        queues = [
            event.activity_task_scheduled_event_attributes.task_queue.name
            async for event in handle.fetch_history_events()
            if event.HasField("activity_task_scheduled_event_attributes")
        ]
        assert f"{harness.settings.task_queue}-email-first" in queues
        # A message in the queue of a provider that is removed before it could go.
        await put_providers(harness, f"providers:\n  second: {smtp(second, ', per_second: 50')}\n")
        await harness.identify("u1", email="u1@example.com")
        await harness.track("u1", "Signed Up")
        await harness.until_put_off()
        await put_providers(harness, f"providers:\n  first: {smtp(first)}\n")
        assert await sent_by(harness, 2) == {"first": 2}


@pytest.mark.takes_long
@pytest.mark.parametrize(("per_second", "users"), [(10, 80), (1, 10)])
async def test_the_pace_holds_over_all_workers(harness: Harness, per_second: int, users: int) -> None:
    """The server may let through a burst of a second first; a slower machine only takes longer."""
    mailbox = TimedMailbox()
    async with another_worker(harness), smtp_server(mailbox) as port:
        relay = smtp(Server(port=port), f", per_second: {per_second}")
        await put_providers(harness, f"providers:\n  relay: {relay}\n")
        await sign_up(harness, users)
        assert await sent_by(harness, users) == {"relay": users}
    assert mailbox.times[-1] - mailbox.times[0] > (users - 2 * per_second) / per_second * 0.8


@pytest.mark.parametrize("limit", [1, 137, 400])
async def test_the_limit_of_a_day_is_exact_under_any_concurrency(database_url: str, limit: int) -> None:
    now = datetime.now(UTC)
    day = DailyLimit(now.date(), limit, now)
    async with Database(database_url, pool_size=12) as database:

        async def take(place: int) -> int:
            async with database.transaction() as connection:
                if place % 20 == 0:
                    return await warm_up.take_many(connection, "new", day, 5)
                return await warm_up.take(connection, "new", day, UUID(int=place))

        taken = sum(await asyncio.gather(*(take(place * 7919) for place in range(600))))
        assert taken == min(limit, 600 + 30 * 4)
        assert await take(1) == 0 or limit > 720
