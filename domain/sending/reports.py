"""Reports of providers: the fate of a message after its hand-over."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol
from uuid import UUID, uuid5

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from domain.channels.kinds import CHANNELS
from domain.people.consent import OPT_OUT, STOP, SUPPRESSION, AddressRefusal
from domain.sending.bookings import BookingReport
from domain.sending.delivery import MARKETING_STOPPED, NO_ADDRESS, OPTED_OUT
from domain.sending.incoming_texts import IncomingText, MarketingChoice, Word
from domain.surveys.answers import ReportedAnswer, SurveyAnswer
from domain.tracking.event import SOJOURN_SOURCE, Event, Trust

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

# Soft bounces of an address in a row, without a delivery between, that suppress it.
SOFT_BOUNCES: Final = 5
# Many mail servers report bounces alone, and try for five days: a message that has not bounced by then was delivered.
SILENT_AFTER: Final = timedelta(days=7)
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

_EVENTS: Final = UUID("c5a1c4a9-5b0e-4d0f-9f9e-0f3f3a4f9d55")
# The kinds that people or their programs cause: a machine may cause them as well.
_REACTIONS: Final = frozenset({"opened", "clicked"})


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
Incoming = ProviderReport | IncomingText | MarketingChoice | BookingReport


class Callback(Struct, frozen=True):
    """A request of a provider; the names of its headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class ReportReader(Protocol):
    """Reads the callbacks of one kind of provider."""

    async def __call__(self, callback: Callback, now: datetime) -> Sequence[Incoming]:
        """Verify a callback, and return what it brings.

        Raises UnverifiedCallbackError.
        """
        ...


class HeldClick(Struct, frozen=True):
    """A click that a provider has reported, whose verdict is not due yet.

    `is_machine` is what its client, or the provider, says.
    """

    message_id: UUID
    at: datetime
    link: str | None
    is_machine: bool


class LedgerMarks(Struct, frozen=True, kw_only=True):
    """The reports about one message as its row has them: the earliest of each kind.

    `held_clicks` are kept beside it until their verdict, `answers` for good, and `shows` and `completed_at` in the
    inbox, where messages wait that are shown more than once. `is_accepted` says that the provider has taken the
    message, which may not be known otherwise. `is_refused` says that it refused the address, and `by_mail` that the
    complaint came so.
    """

    id: UUID
    delivered_at: datetime | None = None
    opened_at: datetime | None = None
    clicked_at: datetime | None = None
    clicked_link: str | None = None
    bounced_at: datetime | None = None
    bounce: Bounce | None = None
    complained_at: datetime | None = None
    replied_at: datetime | None = None
    dismissed_at: datetime | None = None
    machine_at: datetime | None = None
    is_accepted: bool = False
    is_refused: bool = False
    by_mail: bool = False
    provider_id: str | None = None
    held_clicks: tuple[HeldClick, ...] = ()
    shows: tuple[datetime, ...] = ()
    completed_at: datetime | None = None
    answers: tuple[ReportedAnswer, ...] = ()

    def merge(self, other: "LedgerMarks") -> "LedgerMarks":
        """Return the marks of both; the link and the bounce are those of the earliest.

        A hard bounce replaces any other.
        """
        mine, others = asdict(self), asdict(other)
        merged: dict[str, Any] = {name: _earliest(mine[name], others[name]) for name in MARK_TIMES}
        for name, time in (("clicked_link", "clicked_at"), ("bounce", "bounced_at")):
            first, second = (mine, others) if merged[time] == mine[time] else (others, mine)
            merged[name] = first[name] or (second[name] if first[time] == second[time] else None)
        if "hard" in (self.bounce, other.bounce):
            merged["bounce"] = "hard"
        # A complaint that a provider has verified is none by mail.
        complained = [one.by_mail for one in (self, other) if one.complained_at is not None]
        return replace(
            self,
            **merged,
            is_accepted=self.is_accepted or other.is_accepted,
            is_refused=self.is_refused or other.is_refused,
            by_mail=bool(complained) and all(complained),
            provider_id=self.provider_id or other.provider_id,
            held_clicks=self.held_clicks + other.held_clicks,
            shows=self.shows + other.shows,
            completed_at=_earliest(self.completed_at, other.completed_at),
            answers=self.answers + other.answers,
        )


MARK_TIMES: Final = (
    "delivered_at",
    "opened_at",
    "clicked_at",
    "bounced_at",
    "complained_at",
    "replied_at",
    "dismissed_at",
    "machine_at",
)


def merge_marks(marks: Iterable[LedgerMarks]) -> list[LedgerMarks]:
    """Return one item for each message."""
    merged: dict[UUID, LedgerMarks] = {}
    for one in marks:
        known = merged.get(one.id)
        merged[one.id] = one if known is None else known.merge(one)
    return list(merged.values())


class ReportedMessage(Struct, frozen=True):
    """A message of the ledger with its person, for the events of its reports.

    `arms` are those of the splits that its journey has reached. `address` is the normalised one of the hand-over, and
    `kind` that of a message in the inbox.
    """

    id: UUID
    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None
    channel: str
    campaign: str
    step: str
    template: str
    address: str | None
    arms: dict[str, str] = field(default_factory=dict)
    kind: str | None = None


def marks_of(report: ProviderReport, message: ReportedMessage) -> LedgerMarks:
    """Return what a report writes to the row of its message."""
    message_id, kind = message.id, CHANNELS.get(message.channel)
    waited = kind is not None and kind.waits_for_person
    # A provider reports nothing of a message that it has not taken, except that it dropped it.
    is_accepted = report.kind not in ("failed", "other")
    marks = LedgerMarks(id=message_id, is_accepted=is_accepted, provider_id=report.provider_id)
    at = report.at
    if report.awaits_verdict:
        return replace(marks, held_clicks=(HeldClick(message_id, at, report.link, report.is_machine),))
    if report.is_machine and report.kind in _REACTIONS:
        return replace(marks, machine_at=at)
    match report.kind:
        case "clicked":
            return replace(marks, opened_at=at, clicked_at=at, clicked_link=report.link)
        case "answered":
            answers = () if report.answer is None else (ReportedAnswer(message_id, report.answer, at),)
            return replace(marks, opened_at=at, clicked_at=at, answers=answers)
        case "bounced":
            return replace(marks, bounced_at=at, bounce=report.bounce)
        case "complained":
            return replace(marks, complained_at=at, by_mail=report.by_mail)
        case "failed" if report.bounce == "hard":
            return replace(marks, bounce="hard", is_refused=True)
        case "opened" if waited:
            return replace(marks, opened_at=at, shows=(at,))
        case "completed" if waited:
            return replace(marks, completed_at=at)
        case "delivered" | "opened" | "replied" | "dismissed":
            return replace(marks, **{f"{report.kind}_at": at})
        case "accepted" | "deferred" | "unsubscribed" | "resolved" | "rated" | "completed":
            return marks
        case "failed" | "other":
            return marks


def hold_click(channel: str, report: ProviderReport) -> ProviderReport:
    """Return a report; a click where scanners follow links awaits its verdict."""
    known = CHANNELS.get(channel)
    awaits = report.kind == "clicked" and known is not None and known.has_scanners
    return replace(report, awaits_verdict=True) if awaits else report


def find_event_name(message: ReportedMessage, report: ProviderReport) -> str | None:
    """Return the name of a report's event; None if it is none, as that of a machine."""
    if report.awaits_verdict or (report.is_machine and report.kind in _REACTIONS):
        return None
    known = CHANNELS.get(message.channel)
    return None if known is None else known.find_event(report.kind, message.kind)


def build_event(provider: str, report: ProviderReport, message: ReportedMessage) -> Event | None:
    """Build the event of a report, the same at each attempt; None if it has none."""
    name = find_event_name(message, report)
    if name is None or (message.user_id is None and message.anonymous_id is None):
        return None
    said = {"bounce": report.bounce, "link": report.link, "reason": report.detail}
    reply = {} if report.reply is None else _describe_reply(report.reply)
    properties: dict[str, Any] = {
        "message_id": str(message.id),
        "channel": message.channel,
        "campaign": message.campaign,
        "step": message.step,
        "template": message.template,
        "arms": message.arms,
        "provider": provider,
        **{key: value for key, value in said.items() if value is not None},
        **reply,
        **({} if report.answer is None else report.answer.properties()),
        **report.data,
    }
    return _build_event(provider, report, name, properties, message.user_id, message.anonymous_id)


def _build_event(
    provider: str,
    report: ProviderReport,
    name: str,
    properties: dict[str, Any],
    user_id: str | None,
    anonymous_id: str | None,
) -> Event:
    id = find_event_id(provider, report)
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type="track",
        name=name,
        user_id=user_id,
        anonymous_id=None if user_id else anonymous_id,
        properties=properties,
        context={},
        timestamp=report.at,
        trust=report.trust,
    )


def build_text_event(
    provider: str, channel: str, report: ProviderReport, user_id: str | None, anonymous_id: str | None
) -> Event:
    """Build the event of a text that answers no message."""
    properties = {
        "channel": channel,
        "provider": provider,
        **({} if report.reply is None else _describe_reply(report.reply)),
    }
    return _build_event(provider, report, CHANNELS[channel].report_events["replied"], properties, user_id, anonymous_id)


def _describe_reply(reply: MailReply | TextReply) -> dict[str, Any]:
    if isinstance(reply, TextReply):
        word = {} if reply.word is None else {"word": reply.word}
        return {"text": reply.text, **word, "patterns": list(reply.patterns)}
    lists = {"attachments": list(reply.attachments), "patterns": list(reply.patterns)}
    return {"subject": reply.subject, "text": reply.text, **lists}


def find_event_id(provider: str, report: ProviderReport) -> UUID:
    """Return the id of a report's event."""
    return uuid5(_EVENTS, f"{provider} {report.event_id}")


def build_refusal(event: Event, channel: str) -> Event:
    """Build the statement about the person that the event of an unsubscription makes."""
    id = uuid5(event.id, "identify")
    consent = {"consent": {channel: False}}
    return replace(event, id=id, message_id=str(id), type="identify", name=None, properties=consent)


class BounceRow(Struct, frozen=True):
    """The soft bounces of messages to one address, and its last delivery.

    A delivery is reported, or is that of a message that was sent SILENT_AFTER ago and has not bounced.
    """

    bounced: Mapping[UUID, datetime] = {}
    delivered_at: datetime | None = None

    @property
    def length(self) -> int:
        """The number of messages that bounced since the last delivery."""
        return sum(self.delivered_at is None or at > self.delivered_at for at in self.bounced.values())

    def follow(self, report: ProviderReport, message_id: UUID) -> "BounceRow":
        """Return the row with a report about a message to the address."""
        if report.kind == "delivered":
            return replace(self, delivered_at=max(report.at, self.delivered_at or report.at))
        if report.bounce == "soft":
            known = self.bounced.get(message_id, report.at)
            return replace(self, bounced={**self.bounced, message_id: min(known, report.at)})
        return self

    def is_full_since(self, before: "BounceRow") -> bool:
        """Return whether the address is to be suppressed.

        Once an operator has lifted that, as many bounces again are needed.
        """
        return self.length // SOFT_BOUNCES > before.length // SOFT_BOUNCES


def find_suppression(report: ProviderReport, *, is_row_full: bool) -> str | None:
    """Return why a report suppresses the address of its message; None if it does not."""
    if report.kind == "complained":
        return "complained"
    if report.kind == "failed" and report.bounce == "hard":
        return "refused"
    if report.kind != "bounced":
        return None
    if report.bounce == "hard":
        return "bounced"
    return f"bounced {SOFT_BOUNCES} times in a row" if report.bounce == "soft" and is_row_full else None


def find_address_refusal(report: ProviderReport, *, is_row_full: bool) -> tuple[AddressRefusal, str | None] | None:
    """Return what a report says of the address of its message: a refusal, or its end.

    START lifts what STOP refused, and nothing else.
    """
    word = report.reply.word if isinstance(report.reply, TextReply) else None
    if word == "stop":
        return STOP, "the person wrote STOP"
    if word == "start":
        return STOP, None
    if report.kind == "failed" and report.detail == OPTED_OUT:
        return STOP, "the person told the provider to STOP"
    if report.kind == "failed" and report.detail == MARKETING_STOPPED:
        return OPT_OUT, "the person stopped marketing at the provider"
    reason = find_suppression(report, is_row_full=is_row_full)
    return None if reason is None else (SUPPRESSION, reason)


def report_refusal(message_id: UUID, reason: str, at: datetime) -> ProviderReport:
    """Report that a provider refused the address at the hand-over of a message.

    Devices that are gone are replaced by others of their person, and a person who has told the provider to stop has the
    address: they say nothing against the sender.
    """
    bounce: Bounce | None = None if reason in (NO_ADDRESS, OPTED_OUT, MARKETING_STOPPED) else "hard"
    return ProviderReport(
        kind="failed", event_id=f"refused {message_id}", message_id=message_id, at=at, bounce=bounce, detail=reason
    )


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


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)
