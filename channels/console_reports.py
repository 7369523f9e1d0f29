"""Callbacks of the inbox of `sojourn dev`, signed as Standard Webhooks says.

Its reader acts for the recipients of messages: their reactions are reported as a provider would.
"""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from channels.signatures import verify_standard_webhook
from domain.channels.kinds import CHANNELS
from domain.channels.phone import PhoneChannel
from domain.errors import InvalidRequestError
from domain.sending.incoming_texts import IncomingText
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.console import ConsoleModel
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.reports import Callback, IncomingReport, ProviderReport, ReportKind, ReportReader

# The secret that signs reports. `sojourn dev` makes one for each of its runs.
REPORTS_NAME: Final = "inbox"
REPORTS_VARIABLE: Final = "SOJOURN_SECRET_INBOX"


class InboxReport(msgspec.Struct, frozen=True):
    """A reaction of the recipient of a message.

    `address` is theirs, `text` what they write, `rating` is 1 to 5.
    """

    kind: ReportKind
    message_id: UUID
    address: str = ""
    text: str | None = None
    rating: int | None = None
    link: str | None = None


def open_reader(settings: ConsoleModel, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of the inbox; None where no inbox reports."""
    try:
        secret = secrets.for_own_use(settings.callback_secret or SecretReference(env=REPORTS_VARIABLE))
    except SecretRefusal:
        if settings.callback_secret is not None:
            raise
        return None

    async def read(callback: Callback, now: datetime) -> list[IncomingReport]:
        id = verify_standard_webhook(secret, callback.headers, callback.body, now)
        try:
            report = msgspec.json.decode(callback.body, type=InboxReport)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidRequestError("the body is not a report of the inbox") from error
        return [read_report(settings.channel, id, report, now)]

    return read


def read_report(channel: str, event_id: str, report: InboxReport, now: datetime) -> IncomingReport:
    """Return a report as those of the providers of its channel are."""
    if report.kind == "replied" and isinstance(CHANNELS.get(channel), PhoneChannel):
        return IncomingText(event_id=event_id, sender=report.address, text=report.text or "", at=now)
    data: dict[str, Any] = {"text": report.text, "rating": report.rating}
    return ProviderReport(
        kind=report.kind,
        event_id=event_id,
        message_id=report.message_id,
        at=now,
        bounce="hard" if report.kind == "bounced" else None,
        link=report.link,
        data={name: value for name, value in data.items() if value is not None},
    )
