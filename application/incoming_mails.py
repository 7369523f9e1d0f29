"""Receive bounces, complaints, replies and unsubscriptions that come by mail."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, assert_never

from msgspec.structs import replace

from application.callbacks import ReportGroups
from application.ingest import Ingest
from application.reply_forwarding import ReplyForwarder
from application.unsubscribe import Unsubscribe
from domain.deployment_documents import REPLIES
from domain.errors import NotFoundError
from domain.sending.incoming_mail import (
    MAX_READ_BYTES,
    AskedToUnsubscribe,
    Automatic,
    IncomingMail,
    MailOutcome,
    Replied,
    ReportedByMail,
    Unassigned,
)
from domain.sending.receiving import looks_signed, read_address
from domain.sending.replies_document import find_patterns
from domain.sending.reports import ProviderReport
from domain.tracking.identifiers import STANDARD_PLACEHOLDERS
from domain.tracking.item_error import ItemError
from domain.tracking.rejects import RejectCollector
from store import documents, reported_messages
from store.database import Database
from store.transaction_metrics import Increments, Metric

# The source of mails among the rejects.
SOURCE = "mail"


class ReadIncoming(Protocol):
    """Reads a mail; `recipient` and `sender` are those of its envelope, if known."""

    def __call__(
        self, body: bytes, secrets: Sequence[str], now: datetime, *, recipient: str | None, sender: str | None
    ) -> IncomingMail: ...


class IncomingMails:
    """Receives mails. Once `receive` returns, their effects are in force."""

    def __init__(
        self,
        database: Database,
        groups: ReportGroups,
        unsubscribe: Unsubscribe,
        ingest: Ingest,
        forwarder: ReplyForwarder,
        read: ReadIncoming,
        secrets: Sequence[str],
        count: Callable[[Increments], None],
    ) -> None:
        self._database = database
        self._groups = groups
        self._unsubscribe = unsubscribe
        self._ingest = ingest
        self._forwarder = forwarder
        self._read = read
        self._secrets = secrets
        self._count = count

    def may_take(self, recipient: str) -> bool:
        """Return whether mails to an address may be ours; no false signature is."""
        return not looks_signed(recipient) or read_address(self._secrets, recipient) is not None

    async def receive(
        self, body: bytes, *, recipient: str | None, sender: str | None, can_refuse: bool = False
    ) -> MailOutcome:
        """Apply what a mail says, once however often it comes.

        `can_refuse` says that a refused mail goes back to its sender. Raises UnavailableError or
        psycopg.OperationalError if it is to be delivered again.
        """
        now = await self._database.now()
        # Anyone can write one, also one that takes long to read.
        mail = await asyncio.to_thread(
            self._read, body[:MAX_READ_BYTES], self._secrets, now, recipient=recipient, sender=sender
        )
        outcome = await self._apply(mail)
        if isinstance(outcome, Unassigned):
            if can_refuse and outcome.is_refusable and sender != "":
                outcome = "refused"
            else:
                await self._keep(body, outcome.why, now)
                outcome = "unassigned"
        self._count({(Metric.MAIL, (outcome,)): 1})
        return outcome

    async def _apply(self, mail: IncomingMail) -> MailOutcome | Unassigned:
        match mail:
            case ReportedByMail(report=report):
                return await self._report(report, is_refusable=False) or "reported"
            case Replied(report=report):
                if (unknown := await self._report(await self._classify(report), is_refusable=True)) is not None:
                    return unknown
                # After its event: what it ends has ended, whatever becomes of the copy.
                await self._forwarder.forward(mail)
                return "replied"
            case AskedToUnsubscribe(message_id=message_id):
                try:
                    await self._unsubscribe.by_mail(message_id)
                except NotFoundError:
                    return _UNKNOWN
                return "unsubscribed"
            case Automatic():
                return "automatic"
            case Unassigned():
                return mail
            case _:
                assert_never(mail)

    async def _classify(self, report: ProviderReport) -> ProviderReport:
        """Return a reply with the patterns that it has."""
        if (reply := report.reply) is None:
            return report
        async with self._database.transaction() as connection:
            rules = (await documents.latest(connection, REPLIES)).rules
        return replace(report, reply=replace(reply, patterns=find_patterns(rules, reply.text)))

    async def _report(self, report: ProviderReport, *, is_refusable: bool) -> Unassigned | None:
        """Apply a report; return why it is about no message, else None."""
        if report.message_id is None:
            return _UNKNOWN
        async with self._database.transaction() as connection:
            provider = await reported_messages.find_provider(connection, report.message_id)
        if provider is None:
            return Unassigned(_UNKNOWN.why, is_refusable=is_refusable)
        await self._groups.apply(provider, [report])
        return None

    async def _keep(self, body: bytes, why: str, now: datetime) -> None:
        collector = RejectCollector(SOURCE, names_users=False)
        collector.refuse(0, body, ItemError(why), STANDARD_PLACEHOLDERS)
        rejects, unrecorded = collector.finish()
        await self._ingest([], rejects, unrecorded=unrecorded, received_at=now)


_UNKNOWN = Unassigned("a mail about a message that is not known")
