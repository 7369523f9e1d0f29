"""Forward replies to the address that their campaign names."""

import re
from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Final
from uuid import UUID, uuid5

import structlog

from application.catalogue import Catalogue
from application.providers import ProviderSource
from domain.errors import UnavailableError
from domain.people.addresses import Mailbox
from domain.sending.delivery import Accepted, Ambiguous, Outbound, Rejected, Unavailable
from domain.sending.incoming_mail import Replied
from domain.sending.reports import MailReply
from store import callback_ids, campaigns, reported_messages
from store.database import Connection, Database
from store.transaction_metrics import Increments, Metric

# Copies of replies to one message on a day. A person writes fewer, while a program that answers, or a flood to the
# address of one message, never ends. Further replies are events all the same.
MAX_COPIES: Final = 20
# Where the sender of the mail asks for none.
RETRY_SECONDS: Final = 60.0
_NOT_IN_NAMES: Final = re.compile(r'["<>\x00-\x1f\x7f-\x9f\u2028\u2029]')
_MAX_NAME: Final = 100

_log = structlog.get_logger(__name__)


class ReplyForwarder:
    """Forwards replies by the provider that delivered the message.

    A copy is from the address that it goes to, and its answer goes to the person. A forwarded reply is outside of
    campaigns: no cap counts it, and the ledger has no row of it. If its mail comes again, it is forwarded unless a
    provider has answered before.
    """

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        providers: ProviderSource,
        count: Callable[[Increments], None],
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._providers = providers
        self._count = count

    async def forward(self, mail: Replied) -> None:
        """Forward a reply, if its campaign names an address.

        Raises UnavailableError if the mail is to come again.
        """
        report = mail.report
        if report.message_id is None or not isinstance(report.reply, MailReply):
            return
        async with self._database.transaction() as connection:
            message = await reported_messages.find_answered(connection, report.message_id)
            if message is None:
                return
            revision = await campaigns.lock_registry_shared(connection)
            version = await self._catalogue.version(connection, message.campaign_key, message.campaign_version)
            rule = version.rules.replies
            target = None if rule is None else rule.find_target(message.traits)
            if target is None:
                return
            found = await self._providers.find(connection, revision, message.channel, message.provider)
            if found is None:
                raise UnavailableError("no provider can forward the reply for now", retry_after=RETRY_SECONDS)
            copy = f"forwarded {report.event_id}"
            if await callback_ids.find_claimed(connection, found.name, [copy]):
                return
            place = await _claim_place(connection, found.name, report.message_id, report.at)
        if place is None:
            self._count({(Metric.FORWARDED, ("limited",)): 1})
            _log.warning("failed to forward reply", message_id=str(report.message_id), reason="too_many")
            return
        id = uuid5(report.message_id, report.event_id)
        footer = f"A reply to `{message.step}` of the campaign {version.name}. Answer it to write to the person."
        if report.reply.attachments:
            footer += f" Left out: {', '.join(report.reply.attachments)}."
        text = f"{report.reply.text}\n\n-- \n{footer}\n"
        content = {
            "from": _format(mail.author, target),
            "reply_to": None if mail.author is None else _format(mail.author, mail.author.address.written),
            "subject": report.reply.subject or "Re:",
            "text": text,
            "html": f"<p>{escape(text).replace(chr(10), '<br>')}</p>",
        }
        delivery = await found.provider.deliver(Outbound(str(id), content, report.at, None), target)
        async with self._database.transaction() as connection:
            if isinstance(delivery, Unavailable):
                await callback_ids.release(connection, found.name, place)
            else:
                await callback_ids.claim(connection, found.name, [copy], report.at)
        match delivery:
            case Accepted() | Ambiguous():
                self._count({(Metric.FORWARDED, ("accepted",)): 1})
            case Rejected(reason=reason, detail=detail):
                # The event has what it says.
                self._count({(Metric.FORWARDED, ("refused",)): 1})
                _log.error("failed to forward reply", message_id=str(report.message_id), reason=reason, detail=detail)
            case Unavailable(reason=reason, detail=detail, retry_after=retry_after):
                self._count({(Metric.FORWARDED, ("away",)): 1})
                _log.warning(
                    "failed to forward reply yet", message_id=str(report.message_id), reason=reason, detail=detail
                )
                raise UnavailableError(
                    "the reply cannot be forwarded for now", retry_after=retry_after or RETRY_SECONDS
                )


async def _claim_place(connection: Connection, provider: str, message_id: UUID, at: datetime) -> str | None:
    """Take a place for a copy, of those of a message and day; None if all are taken."""
    places = [f"copy {message_id} {at.date()} {number}" for number in range(MAX_COPIES)]
    taken = await callback_ids.find_claimed(connection, provider, places)
    for place in places:
        if place not in taken and await callback_ids.claim(connection, provider, [place], at):
            return place
    return None


def _format(author: Mailbox | None, address: str) -> str:
    """Return an address with the name of the person who wrote."""
    name = "" if author is None else _NOT_IN_NAMES.sub("", author.name or author.address.written)[:_MAX_NAME]
    return f'"{name}" <{address}>' if name else address
