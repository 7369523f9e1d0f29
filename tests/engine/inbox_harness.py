"""Messages in inboxes without workers: the tests ask the gate, and make the attempts."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from application.catalogue import Catalogue
from application.inbox import Inboxes
from application.ingest import Ingest
from application.reports import Reports
from application.send import Sender
from application.step_decisions import StepDecisions
from channels.in_app import inbox
from domain.journey.requests import AuthorizeRequest
from domain.people.identity import Identity
from domain.sending.delivery import Accepted, Delivery, Never, Outbound, Repeats
from domain.sending.gate_answers import Answer, Granted
from domain.sending.inbox import InboxMessage
from domain.sending.reports import ProviderReport, ReportKind
from store.database import Database
from tests.engine.fixed_providers import FixedProviders, link_tracker
from tests.engine.ingesting import event
from tests.engine.positions import UNRECORDED
from tests.harness import Harness

BANNER = "---\nchannel: in_app\nkind: banner\n---\ntext: Hello {{ profile.user_id | default: 'you' }}\n"
CARD = "---\nchannel: in_app\nkind: card\n---\ntitle: News\ntext: Hello {{ profile.user_id | default: 'you' }}\n"


@dataclass
class Door:
    """A provider whose hand-overs stop at a door while it is closed."""

    name: str
    repeats: Repeats
    is_inbox: bool
    got: list[str] = field(default_factory=list)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_open.set()

    def account(self, message: Outbound) -> str:
        return self.name

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        self.got.append(message.message_id)
        self.reached.set()
        await self.is_open.wait()
        return await inbox.InAppInbox().deliver(message, address) if self.is_inbox else Accepted(None)


class SeenInbox(Struct, frozen=True):
    """What a page gets, with the contents."""

    seq: int
    messages: list[InboxMessage]
    open: list[UUID]
    next_poll: float


@dataclass
class PeopleInboxes:
    """The inboxes of people, who are named by their profiles here."""

    inboxes: Inboxes
    database: Database

    async def read(self, person: UUID, at: datetime, **options: Any) -> SeenInbox:
        view = await self.inboxes.read(await self._identity(person), at, **options)
        return SeenInbox(view.seq, await self.inboxes.load(view.messages), view.open, view.next_poll)

    async def read_slots(self, person: UUID, names: Collection[str], at: datetime) -> dict[str, InboxMessage | None]:
        return await self.inboxes.read_slots(await self._identity(person), names, at)

    async def _identity(self, person: UUID) -> Identity:
        known = "SELECT kind, value FROM identities WHERE profile_id = %s ORDER BY kind = 'user' DESC LIMIT 1"
        async with self.database.transaction() as connection:
            row = await (await connection.execute(known, (person,))).fetchone()
        return Identity("user", f"unknown {person}") if row is None else Identity(**row)


@dataclass
class InboxHarness:
    """What writes to inboxes, as a worker has it, and what reads, as an API process has it."""

    harness: Harness
    catalogue: Catalogue
    ingest: Ingest
    reports: Reports
    gate: StepDecisions
    sender: Sender
    inbox: PeopleInboxes
    in_app: Door
    mail: Door

    async def enter(self, users: Sequence[str], event_name: str, at: datetime, **traits: Any) -> list[UUID]:
        """Let people enter the campaign of an event; return their journeys, in the order of the people."""
        said = [event("identify", user, **traits) for user in users]
        said += [event("track", user, name=event_name) for user in users]
        await self.ingest(said, received_at=at)
        rows = await self.harness.query(
            """
            SELECT journeys.id FROM journeys JOIN profiles ON profiles.id = profile_id
            WHERE user_id = ANY(%s) AND entry ->> 'name' = %s AND journeys.state = 'active'
            ORDER BY array_position(%s, user_id)
            """,
            list(users),
            event_name,
            list(users),
        )
        return [row["id"] for row in rows]

    async def ask(self, journey: UUID, step: str, at: datetime, *, attempt: int = 1) -> tuple[UUID, Answer]:
        """Ask the gate for a message."""
        asked = AuthorizeRequest(journey, step, 1, attempt, at, at, None, UNRECORDED)
        return asked.message_id, await self.gate.authorize(asked)

    async def attempt(self, message: UUID, at: datetime, *, ends_with: str | None = None) -> str:
        """Make an attempt to send a message; return what becomes of it."""
        outcome = await self.sender.send(message, at=at, ends_with=ends_with, next_positions=UNRECORDED)
        return outcome.state

    async def send(self, journey: UUID, step: str, at: datetime, *, ends_with: str | None = None) -> UUID:
        """Send a message that the gate grants."""
        message, answer = await self.ask(journey, step, at)
        assert isinstance(answer, Granted), answer
        assert await self.attempt(message, at, ends_with=ends_with) == "sent"
        return message

    async def react(self, message: UUID, kind: ReportKind, at: datetime, *, id: str | None = None) -> None:
        """Report a reaction; once it returns, that is acknowledged."""
        told = ProviderReport(kind=kind, event_id=id or f"{message} {kind}", message_id=message, at=at)
        await self.reports.apply("in_app", [told], received_at=at)

    async def profile(self, user: str) -> UUID:
        [row] = await self.harness.query("SELECT id FROM profiles WHERE user_id = %s", user)
        id: UUID = row["id"]
        return id


def make_sender(database: Database, catalogue: Catalogue, providers: FixedProviders) -> Sender:
    return Sender(database, catalogue, providers, lambda *_: "https://example.com", link_tracker(database), "UTC")


@asynccontextmanager
async def inbox_harness(harness: Harness, *, pool_size: int = 10) -> AsyncIterator[InboxHarness]:
    url = harness.settings.database_url.get_secret_value()
    async with Database(url, pool_size=pool_size) as api, Database(url, pool_size=pool_size) as worker:
        in_app, mail = Door("in_app", inbox.InAppInbox.repeats, is_inbox=True), Door("smtp", Never(), is_inbox=False)
        heard, catalogue = Catalogue(), Catalogue()
        ingest = Ingest(api, heard)
        yield InboxHarness(
            harness,
            heard,
            ingest,
            Reports(api, heard, ingest),
            StepDecisions(worker, catalogue, "UTC"),
            make_sender(worker, catalogue, FixedProviders({"in_app": in_app, "email": mail})),
            PeopleInboxes(Inboxes(api, heard, "UTC"), api),
            in_app,
            mail,
        )


async def attempt_alone(url: str, message: UUID, at: datetime) -> None:
    """Make an attempt to send a message, for a process that is killed at it."""
    async with Database(url, pool_size=2) as database:
        sender = make_sender(database, Catalogue(), FixedProviders({"in_app": inbox.InAppInbox()}))
        await sender.send(message, at=at, ends_with=None, next_positions=UNRECORDED)
