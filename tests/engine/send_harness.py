"""A granted message and the means to send it, for tests of what becomes of it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from application.catalogue import Catalogue
from application.deployment_documents import DeploymentDocuments
from application.message_outcomes import SendOutcome
from application.send import Sender
from application.step_decisions import StepDecisions
from domain.access import SOJOURN
from domain.deployment_documents import COMPUTED
from domain.journey.position import NextPositions, Position
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import (
    Accepted,
    Delivery,
    Keyed,
    Never,
    Outbound,
    Repeats,
)
from domain.sending.gate_answers import Answer, Granted
from runtime.documents import DocumentProcesses
from store.database import Database
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.positions import UNRECORDED
from tests.harness import Harness

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NIGHT, MORNING = AT.replace(hour=23), datetime(2026, 11, 2, 9, tzinfo=UTC)
POOL = 25

# The delay keeps the journey's own workflow away: the attempts below are the only ones.
WAITING = """
key: waiting
name: Waiting
entry: {event: Signed Up}
exit: [{event: Account Closed}]
send_window: {from: "09:00", to: "21:00"}
steps:
  - {id: later, delay: 300d}
  - {id: note, send: {channel: CHANNEL, template: note, category: CATEGORY}}
"""


@dataclass
class Held:
    """An answer that comes when it is released."""

    answer: Delivery
    release: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Provider:
    """A provider that answers as it is told to, in the socket of every provider; it keeps what it got."""

    name: str
    repeats: Repeats
    answers: list[Delivery | Held] = field(default_factory=list)
    got: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    handed: list[Outbound] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        self.got.append(message.message_id)
        self.addresses.append(address)
        self.handed.append(message)
        self.reached.set()
        answer = self.answers.pop(0) if self.answers else Accepted(None)
        if isinstance(answer, Held):
            await answer.release.wait()
            return answer.answer
        return answer


@dataclass
class SendHarness:
    """A granted message and the means to send it."""

    harness: Harness
    database: Database
    gate: StepDecisions
    sender: Sender
    provider: Provider
    journey_id: UUID
    message_id: UUID

    async def attempt(self, at: datetime = AT) -> SendOutcome:
        return await self.sender.send(self.message_id, at=at, ends_with="completed", next_positions=UNRECORDED)

    async def attempt_within(self, move: int, at: datetime = AT) -> SendOutcome:
        """One after which the journey goes on to a rest of an hour."""
        way = Position("rest", "waiting", 3_600)
        return await self.sender.send(
            self.message_id, at=at, ends_with=None, next_positions=NextPositions(move, (way,))
        )

    async def position(self) -> tuple[Any, ...]:
        row = await self.harness.journeys.one()
        return row["step"], row["status"], row["wakes_at"]

    async def ask(self, number: int, at: datetime) -> Answer:
        return await self.gate.authorize(AuthorizeRequest(self.journey_id, "note", 1, number, AT, at, None, UNRECORDED))

    async def state(self) -> tuple[Any, ...]:
        row = await self.harness.messages.one(id=self.message_id)
        return row["state"], row["reason"]


WEBHOOK = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\nuser: '{{ profile.user_id }}'\n"
WEBHOOK += "sent: \"{{ 'now' | date: '%Y-%m-%d %H:%M' }}\"\n"


@pytest.fixture
async def send_harness(harness: Harness, request: pytest.FixtureRequest) -> AsyncIterator[SendHarness]:
    """Parametrised by (channel, category), and the template of a webhook where it is another than WEBHOOK."""
    channel, category, *other = request.param
    source = WAITING.replace("CHANNEL", channel).replace("CATEGORY", category)
    webhook = other[0] if other else WEBHOOK
    if "profile.computed" in webhook:
        async with Database(harness.settings.database_url.get_secret_value(), pool_size=1) as database:
            documents = DeploymentDocuments(database, DocumentProcesses())
            await documents.put(COMPUTED, "computed: {seen: {count: Signed Up}}", "computed.yaml", by=SOJOURN)
    await harness.run_campaign(source, {"note.liquid": webhook} if channel == "webhook" else None)
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    journey = await harness.journeys.one()
    async with Database(harness.settings.database_url.get_secret_value(), pool_size=POOL) as database:
        catalogue = Catalogue()
        gate = StepDecisions(database, catalogue, "UTC")
        answer = await gate.authorize(AuthorizeRequest(journey["id"], "note", 1, 1, AT, AT, None, UNRECORDED))
        assert isinstance(answer, Granted)
        provider = Provider(channel, Keyed() if channel == "webhook" else Never())
        sender = Sender(
            database,
            catalogue,
            FixedProviders({channel: provider}),
            lambda *_: "https://example.com/u",
            link_tracker(database),
            "UTC",
        )
        yield SendHarness(harness, database, gate, sender, provider, journey["id"], UUID(answer.message_id))


IN_AN_HOUR = ("rest", "waiting", AT + timedelta(hours=1))
EMAIL, URGENT, HOOK = ("email", "marketing"), ("email", "transactional"), ("webhook", "marketing")
CALL = "---\nchannel: webhook\nmethod: METHOD\nurl: https://api.example.com/v1\nbody: {a: b}\n---\n"
POST, PUT = (("webhook", "marketing", CALL.replace("METHOD", method)) for method in ("POST", "PUT"))
COUNTED = ("webhook", "marketing", WEBHOOK.replace("profile.user_id", "profile.computed.seen"))
URGENT_POST = ("webhook", "transactional", POST[2])
each = pytest.mark.parametrize


async def die_after_the_hand_over(send_harness: SendHarness) -> None:
    """An attempt that is gone once the provider has the message, and before its answer is written."""
    send_harness.provider.answers = [Held(Accepted(None))]
    attempt = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert await send_harness.state() == ("sending", None)
