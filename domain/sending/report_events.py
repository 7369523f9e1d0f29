"""Events of reports, by which journeys start, wait and end."""

from typing import Any, Final
from uuid import UUID, uuid5

from msgspec import Struct, field
from msgspec.structs import replace

from domain.channels.kinds import CHANNELS
from domain.sending.reports import MailReply, ProviderReport, TextReply
from domain.tracking.event import SOJOURN_SOURCE, Event

_EVENTS: Final = UUID("c5a1c4a9-5b0e-4d0f-9f9e-0f3f3a4f9d55")
# The kinds that people or their programs cause: a machine may cause them as well.
REACTIONS: Final = frozenset({"opened", "clicked"})


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


def find_event_name(message: ReportedMessage, report: ProviderReport) -> str | None:
    """Return the name of a report's event; None if it is none, as that of a machine."""
    if report.awaits_verdict or (report.is_machine and report.kind in REACTIONS):
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
