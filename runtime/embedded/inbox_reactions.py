"""The reactions to a message of the inbox, in the place of its recipient.

Each goes the way that it would go in production: the link of a mail, a mail that comes back, the report of a device, or
the callback of a provider. So campaigns that wait for it go on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import httpx
import msgspec
from standardwebhooks import Webhook

from domain.channels.kinds import CHANNELS
from domain.sending.receiving import looks_signed
from runtime.embedded import mailbox
from runtime.embedded.mail import Received, ReceivedMail, ReceivedMessage
from store.message_origins import MessageOrigin

MAX_LINKS: Final = 8
TIMEOUT_SECONDS: Final = 10.0
REPLIED: Final = "replied"
# The mark of a letter that the end of its journey took back: it never arrives.
TAKEN_BACK: Final = "taken back"
_LABELS: Final = {
    "accepted": "Accept",
    "delivered": "Deliver",
    "opened": "Open",
    "clicked": "Click",
    REPLIED: "Reply",
    "dismissed": "Dismiss",
    "completed": "Complete",
    "resolved": "Resolve",
    "rated": "Rate",
    "unsubscribed": "Unsubscribe",
    "bounced": "Bounce",
    "failed": "Fail",
    "complained": "Report as spam",
}
RATINGS: Final = range(1, 6)


@dataclass(frozen=True, slots=True)
class InboxReaction:
    """A reaction that a message allows.

    `value` is the action of a notification, the number of a link, or a rating. A reply has a text.
    """

    kind: str
    label: str
    value: str = ""

    @property
    def name(self) -> str:
        """The kind and the value, as forms name it."""
        return f"{self.kind} {self.value}".strip()


class ReactionError(Exception):
    """A reaction that came to nothing; the text says why."""


def list_reactions(item: Received, origin: MessageOrigin | None) -> list[InboxReaction]:
    """Return the reactions that a message allows."""
    if isinstance(item, ReceivedMail):
        return list(_list_of_mail(item))
    if origin is not None and TAKEN_BACK in origin.marks:
        return []
    if item.report_url:
        return list(_list_of_notification(item))
    return [] if origin is None else list(_list_of_channel(origin.channel))


def find_reaction(item: Received, origin: MessageOrigin | None, wanted: str) -> InboxReaction | None:
    """Return the reaction of a name; None if the message does not allow it."""
    return next((one for one in list_reactions(item, origin) if one.name == wanted), None)


class InboxRecipient:
    """Reacts to messages by the API at `api_url`.

    `write_key` is that of the mail server, and `secret` signs the callbacks of the inbox.
    """

    def __init__(self, api_url: str, write_key: str, secret: str) -> None:
        self._api_url = api_url
        self._write_key = write_key
        self._signer = Webhook(secret)

    async def react(self, item: Received, origin: MessageOrigin | None, reaction: InboxReaction, text: str) -> None:
        """Carry out a reaction of `list_reactions`. Raises ReactionError."""
        try:
            if isinstance(item, ReceivedMail):
                await self._react_to_mail(item, reaction, text)
            elif item.report_url:
                await self._report(item, reaction)
            elif origin is not None:
                await self._call_back(item, origin, reaction, text)
        except httpx.HTTPStatusError as error:
            raise ReactionError(f"the API answers {error.response.status_code}: {error.response.text[:300]}") from error
        except (httpx.HTTPError, ValueError) as error:
            raise ReactionError(str(error) or type(error).__name__) from error

    async def _react_to_mail(self, mail: ReceivedMail, reaction: InboxReaction, text: str) -> None:
        match reaction.kind:
            case "opened":
                await mailbox.open_mail(mail)
            case "clicked":
                await mailbox.click_link(mail, int(reaction.value))
            case kind if kind == REPLIED:
                recipient, sender = mailbox.reply_address(mail), mail.recipients[0]
                await self._return_mail(mailbox.reply(mail, text), recipient, sender)
            case "bounced":
                await self._return_mail(mailbox.bounce(mail), mail.sender, "")
            case _:
                await self._return_mail(mailbox.complaint(mail), mail.sender, "")

    async def _return_mail(self, mail: bytes, recipient: str, sender: str) -> None:
        """Hand over a mail that comes back, as the mail server of a deployment does."""
        await self._post(
            f"{self._api_url}/v1/mails",
            content=mail,
            params={"recipient": recipient, "sender": sender},
            headers={"Content-Type": "message/rfc822"},
            auth=httpx.BasicAuth(self._write_key, ""),
        )

    async def _report(self, message: ReceivedMessage, reaction: InboxReaction) -> None:
        action = {"action": reaction.value} if reaction.value else {}
        await self._post(f"{message.report_url}/{reaction.kind}", params=action)

    async def _call_back(
        self, message: ReceivedMessage, origin: MessageOrigin, reaction: InboxReaction, text: str
    ) -> None:
        report = {
            "kind": reaction.kind,
            "message_id": message.message_id,
            "address": message.address,
            "text": text or None,
            "rating": int(reaction.value) if reaction.kind == "rated" else None,
        }
        id, now, body = str(uuid4()), datetime.now(UTC), msgspec.json.encode(report)
        signed = {
            "webhook-id": id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(id, now, body.decode()),
        }
        await self._post(f"{self._api_url}/v1/callbacks/{origin.provider}", content=body, headers=signed)

    async def _post(self, url: str, **request: Any) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_SECONDS) as http:
            (await http.post(url, **request)).raise_for_status()


def _list_of_mail(mail: ReceivedMail) -> Iterator[InboxReaction]:
    if mailbox.has_images(mail):
        yield _make_reaction("opened")
    for number, (_, text) in enumerate(mailbox.list_links(mail)[:MAX_LINKS]):
        yield InboxReaction("clicked", f"Click “{text[:40]}”", str(number))
    if looks_signed(mailbox.reply_address(mail)):
        yield _make_reaction(REPLIED)
    if looks_signed(mail.sender):
        yield _make_reaction("bounced")
        yield _make_reaction("complained")


def _list_of_notification(message: ReceivedMessage) -> Iterator[InboxReaction]:
    yield _make_reaction("opened")
    actions = message.content.get("actions")
    for action in actions if isinstance(actions, list) else ():
        if isinstance(action, dict) and {"id", "title"} <= action.keys():
            yield InboxReaction("opened", str(action["title"]), str(action["id"]))
    yield _make_reaction("dismissed")


def _list_of_channel(channel: str) -> Iterator[InboxReaction]:
    events = CHANNELS[channel].report_events if channel in CHANNELS else {}
    for kind, label in _LABELS.items():
        # A bounce and a failure of the same name are one to a campaign.
        if kind not in events or (kind == "failed" and events.get("bounced") == events[kind]):
            continue
        if kind == "rated":
            yield from (InboxReaction(kind, f"{label} {number}", str(number)) for number in RATINGS)
        else:
            yield InboxReaction(kind, label)


def _make_reaction(kind: str) -> InboxReaction:
    return InboxReaction(kind, _LABELS[kind])
