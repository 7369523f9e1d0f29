"""Reports of providers: the fate of a message after its hand-over."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.sending.bookings import BookingReport
from domain.sending.incoming_texts import IncomingText, MarketingChoice, Word
from domain.surveys.answers import SurveyAnswer
from domain.tracking.event import Trust

ReportKind = Literal[
    "accepted",
    "deferred",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "replied",
    "resolved",
    "rated",
    "answered",
    "completed",
    "dismissed",
    "failed",
    "other",
]
# A hard bounce suppresses the address, soft ones in a row do, and one for the message's content never.
Bounce = Literal["hard", "soft", "content"]

# SendGrid's largest batch is smaller.
MAX_CALLBACK_BYTES: Final = 1024 * 1024
MAX_LINK_CHARACTERS: Final = 2_000
MAX_DETAIL_CHARACTERS: Final = 500
# An earlier time is a fault, and no calendar of ours goes back to the first year.
MAX_AGE: Final = timedelta(days=366)
MAX_EVENT_ID_CHARACTERS: Final = 200
MAX_SUBJECT_CHARACTERS: Final = 500
MAX_REPLY_CHARACTERS: Final = 8_000
MAX_ATTACHMENTS: Final = 20


class MailReply(Struct, frozen=True):
    """The reply of a recipient, without what it quotes.

    `attachments` are the names of files that came with it, and `patterns` those of the document that its text has.
    """

    subject: str
    text: str
    attachments: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()


class TextReply(Struct, frozen=True):
    """The text message of a recipient, with its word and its patterns."""

    text: str
    word: Word | None = None
    patterns: tuple[str, ...] = ()


class ProviderReport(Struct, frozen=True, kw_only=True):
    """A provider's report about a message.

    One of the kind `other` says nothing, and is known if it is repeated. `event_id` is unique within the provider: a
    report with a known one is a repetition. `message_id` is None if the message is not ours. `is_machine` marks
    openings and clicks by scanners and image proxies, which the provider says or their `user_agent` shows; the latter
    is not kept. `reply` is what a mail says, and `data` the rest of the event. With `by_mail`, a mail says so, which
    the recipient may have written. A click that `awaits_verdict` may be a scanner's (`domain.sending.tracking`).
    `answer` is that to a question of the message. `trust` is how far it counts: a page without a user token may say
    anything.
    """

    kind: ReportKind
    event_id: str
    message_id: UUID | None
    at: datetime
    provider_id: str | None = None
    bounce: Bounce | None = None
    is_machine: bool = False
    user_agent: str | None = None
    link: str | None = None
    detail: str | None = None
    reply: MailReply | TextReply | None = None
    by_mail: bool = False
    data: Mapping[str, Any] = {}
    awaits_verdict: bool = False
    answer: SurveyAnswer | None = None
    trust: Trust = Trust.VERIFIED


# A callback brings reports, texts, choices or bookings.
IncomingReport = ProviderReport | IncomingText | MarketingChoice | BookingReport


class Callback(Struct, frozen=True):
    """A request of a provider; the names of its headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class ReportReader(Protocol):
    """Reads the callbacks of one kind of provider."""

    async def __call__(self, callback: Callback, now: datetime) -> Sequence[IncomingReport]:
        """Verify a callback, and return what it brings.

        Raises UnverifiedCallbackError.
        """
        ...


def tidy(report: ProviderReport, now: datetime) -> ProviderReport:
    """Return a report that can be stored: bounded texts, and a time of the last year."""
    return replace(
        report,
        event_id=_cut(report.event_id, MAX_EVENT_ID_CHARACTERS),
        at=min(max(report.at, now - MAX_AGE), now),
        link=None if report.link is None else _cut(report.link, MAX_LINK_CHARACTERS),
        detail=None if report.detail is None else _cut(report.detail, MAX_DETAIL_CHARACTERS),
        provider_id=None if report.provider_id is None else _cut(report.provider_id, MAX_EVENT_ID_CHARACTERS),
        reply=None if report.reply is None else _tidy_reply(report.reply),
        data={
            key: _cut(said, MAX_REPLY_CHARACTERS) if isinstance(said, str) else said
            for key, said in report.data.items()
        },
    )


def tidy_text(text: IncomingText) -> IncomingText:
    """Return a text that can be stored."""
    return replace(
        text,
        event_id=_cut(text.event_id, MAX_EVENT_ID_CHARACTERS),
        text=_cut(text.text, MAX_REPLY_CHARACTERS),
        provider_id=None if text.provider_id is None else _cut(text.provider_id, MAX_EVENT_ID_CHARACTERS),
    )


def _tidy_reply(reply: MailReply | TextReply) -> MailReply | TextReply:
    if isinstance(reply, TextReply):
        return replace(reply, text=_cut(reply.text, MAX_REPLY_CHARACTERS))
    return MailReply(
        _cut(reply.subject, MAX_SUBJECT_CHARACTERS),
        _cut(reply.text, MAX_REPLY_CHARACTERS),
        tuple(_cut(name, MAX_DETAIL_CHARACTERS) for name in reply.attachments[:MAX_ATTACHMENTS]),
        reply.patterns,
    )


def _cut(text: str, most: int) -> str:
    """Return a text without what PostgreSQL cannot hold."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:most]
