"""An API process is killed at each point of a single message: a worker takes it up, with all guarantees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from domain.sending.outbound_secrets import BoundSecret
from tests.api.live import ApiProcess, api_process
from tests.channels.servers import Mailbox, listening, scripted_smtp, smtp_server
from tests.engine.single_messages import message, publish
from tests.engine.test_provider_routes import Server, put_providers, smtp
from tests.harness import ADMIN_KEY, PATIENCE, Harness, looks, open_harness, until_blocked
from tests.servers import TemporalServer

Moment = Literal["MAIL", "DATA"]


@dataclass
class SlowMailbox(Mailbox):
    """A mailbox that keeps the sender waiting: before the mail, or once it has it."""

    waits_at: Moment | None = None
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_MAIL(self, *dialogue: Any) -> str:
        await self._wait("MAIL")
        return await super().handle_MAIL(*dialogue)

    async def handle_DATA(self, smtp: SMTP, session: Session, envelope: Envelope) -> str:
        reply = await super().handle_DATA(smtp, session, envelope)
        await self._wait("DATA")
        return reply

    async def _wait(self, moment: Moment) -> None:
        if self.waits_at == moment:
            self.reached.set()
            await self.released.wait()


@dataclass
class Deployment:
    """An API process that will die, and a worker with an API beside it."""

    harness: Harness
    api: ApiProcess
    mailbox: SlowMailbox

    async def request(self, category: str = "transactional") -> str:
        async with self.api.client(ADMIN_KEY) as client:
            answer = await client.post("/v1/messages", json=message(category=category))
        assert answer.status_code == 202, answer.text
        assert answer.json()["state"] == "reserved"
        return str(answer.json()["id"])

    async def die(self) -> None:
        """Kill the API, and let the lease of its message pass."""
        self.api.process.kill()
        await self.api.process.wait()
        self.mailbox.waits_at = None
        self.mailbox.released.set()

    async def pass_lease(self) -> None:
        await self.harness.query("UPDATE outbox SET available_at = now() RETURNING pg_notify('sojourn_outbox', '')")

    async def over(self) -> dict[str, Any]:
        """The message once its journey is over, and nothing is left to do."""
        await self.harness.journeys.until(1, state="completed")
        async for is_last in looks(PATIENCE):
            if not await self.harness.query("SELECT 1 FROM outbox"):
                break
            assert not is_last, "the start was never taken"
        return await self.harness.messages.one()


@asynccontextmanager
async def holding(harness: Harness, statement: str) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """A transaction that holds the locks of a statement."""
    async with await psycopg.AsyncConnection.connect(harness.database.url) as holder:
        await holder.execute(statement)
        yield holder
        await holder.rollback()


@pytest.fixture
async def deployment(database_url: str, temporal: TemporalServer) -> AsyncIterator[Deployment]:
    mailbox = SlowMailbox()
    async with smtp_server(mailbox) as port:
        mail: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_security": "none"}
        # Only the harness has the secret.
        secret = BoundSecret("secret", ("127.0.0.1",), "SOJOURN_SECRET_RELAY")
        async with (
            open_harness(database_url, temporal, webhook_secrets={"relay": secret}, **mail) as harness,
            api_process(database_url, **mail) as api,
        ):
            await publish(harness)
            await harness.identify("u-1", email="ada@example.com")
            yield Deployment(harness, api, mailbox)


async def test_one_that_dies_before_the_claim_has_handed_nothing_over(deployment: Deployment) -> None:
    # Only the claim reads the members of accounts.
    async with holding(deployment.harness, "LOCK account_members IN ACCESS EXCLUSIVE MODE") as holder:
        await deployment.request()
        await until_blocked(holder)
        await deployment.die()
    await deployment.pass_lease()
    sent = await deployment.over()
    assert (sent["state"], sent["attempts"], len(deployment.mailbox.taken)) == ("sent", 1, 1)


@pytest.mark.parametrize(("category", "state", "mails"), [("transactional", "sent", 1), ("marketing", "unknown", 0)])
async def test_one_that_dies_between_claim_and_hand_over(
    deployment: Deployment, category: str, state: str, mails: int
) -> None:
    deployment.mailbox.waits_at = "MAIL"
    await deployment.request(category)
    await deployment.mailbox.reached.wait()
    assert (await deployment.harness.messages.one())["state"] == "sending"
    await deployment.die()
    await deployment.pass_lease()
    found = await deployment.over()
    assert (found["state"], len(deployment.mailbox.taken)) == (state, mails)


@pytest.mark.parametrize(("category", "state", "mails"), [("transactional", "sent", 2), ("marketing", "unknown", 1)])
async def test_one_that_dies_before_the_answer_of_the_provider(
    deployment: Deployment, category: str, state: str, mails: int
) -> None:
    """The one case of two mails: better twice than never, for a message that the person has asked for."""
    deployment.mailbox.waits_at = "DATA"
    await deployment.request(category)
    await deployment.mailbox.reached.wait()
    await deployment.die()
    await deployment.pass_lease()
    found = await deployment.over()
    assert (found["state"], len(deployment.mailbox.taken)) == (state, mails)
    # The same mail each time, its date included.
    assert len({envelope.content for envelope in deployment.mailbox.taken}) == 1


async def test_one_that_dies_before_it_has_written_the_outcome(deployment: Deployment) -> None:
    deployment.mailbox.waits_at = "DATA"
    await deployment.request("marketing")
    await deployment.mailbox.reached.wait()
    async with holding(deployment.harness, "SELECT FROM messages FOR UPDATE") as holder:
        deployment.mailbox.released.set()
        await until_blocked(holder)
        await deployment.die()
    await deployment.pass_lease()
    found = await deployment.over()
    assert (found["state"], found["reason"], len(deployment.mailbox.taken)) == ("unknown", "attempt_died", 1)


async def test_one_that_dies_after_the_outcome_leaves_nothing_to_do(deployment: Deployment) -> None:
    deployment.mailbox.waits_at = "DATA"
    await deployment.request()
    await deployment.mailbox.reached.wait()
    async with holding(deployment.harness, "SELECT FROM outbox FOR UPDATE") as holder:
        deployment.mailbox.released.set()
        await deployment.harness.messages.until(state="sent")
        await until_blocked(holder)
        await deployment.die()
    await deployment.pass_lease()
    sent = await deployment.over()
    assert (sent["state"], sent["attempts"], len(deployment.mailbox.taken)) == ("sent", 1, 1)


async def test_a_slow_hand_over_keeps_its_lease(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the API of this process, so that its intervals can be short."""
    monkeypatch.setattr("application.single_messages.RENEWAL_SECONDS", 0.05)
    harness, mailbox = deployment.harness, deployment.mailbox
    mailbox.waits_at = "DATA"
    sending = asyncio.create_task(harness.admin("POST", "/v1/messages", message()))
    await mailbox.reached.wait()
    due = "SELECT available_at FROM outbox"
    [first] = await harness.query(due)
    await harness.until(f"{due} WHERE available_at > %s", first["available_at"])
    mailbox.released.set()
    await sending
    sent = await deployment.over()
    assert (sent["state"], sent["attempts"], len(mailbox.taken)) == ("sent", 1, 1)


async def test_an_api_without_the_secret_of_a_provider_leaves_its_messages_to_a_worker(deployment: Deployment) -> None:
    """The fault of one process must not open the circuit for those that can send."""
    async with listening(scripted_smtp(AUTH="235 welcome")) as port:
        login = ", username: shop, password: {env: SOJOURN_SECRET_RELAY}"
        relay = smtp(Server(port=port), login)
        await put_providers(deployment.harness, f"providers:\n  relay: {relay}\n")
        await deployment.request()
        [sent] = await deployment.harness.messages.until(state="sent")
        assert (sent["provider"], sent["attempts"]) == ("relay", 1)
        assert await deployment.harness.query("SELECT 1 FROM provider_circuits WHERE failures > 0") == []
