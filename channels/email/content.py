"""The content of a mail, read from a message for any provider."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from domain.people.addresses import EmailAddress, Mailbox, parse_mailbox
from domain.sending.attachment import Attachment
from domain.sending.delivery import Outbound

# Comes back in some providers' reports, and shows a person's support where a mail is from.
MESSAGE_HEADER: Final = "X-Sojourn-Message"
# Files beyond this many bytes take milliseconds to encode: those of the largest mail 0.2 s.
MAX_ENCODED_AT_ONCE: Final = 64 * 1024
# C0 and C1 controls, line and paragraph separators: anything that might end a header.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class EmailContent:
    """A mail to one recipient. `headers` are of ASCII, such as URLs."""

    sender: Mailbox
    recipient: EmailAddress
    reply_to: Mailbox | None
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    attachments: tuple[Attachment, ...] = ()


def read_content(message: Outbound, recipient: EmailAddress) -> EmailContent:
    """Read a message. Raises ValueError for what no header can hold."""
    content = message.content
    headers = {MESSAGE_HEADER: message.message_id}
    if message.unsubscribe_url is not None:
        by_mail = message.unsubscribe_address
        mailto = "" if by_mail is None else f", <mailto:{by_mail}?subject=unsubscribe>"
        headers["List-Unsubscribe"] = f"<{message.unsubscribe_url}>{mailto}"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    sender = _read_mailbox(content["from"])
    if message.topic is not None:
        # RFC 2919: mail programs list, filter and unsubscribe by it.
        headers["List-Id"] = f"<{message.topic}.{sender.address.ascii_domain}>"
    reply_to = content.get("reply_to") or message.reply_address
    if any(_CONTROL.search(value) for value in (content["subject"], *headers.values())):
        raise ValueError("a header holds a control character")
    return EmailContent(
        sender=sender,
        recipient=recipient,
        reply_to=_read_mailbox(reply_to) if reply_to else None,
        subject=content["subject"],
        text=content["text"],
        html=content["html"],
        headers=headers,
        attachments=tuple(content.get("attachments", ())),
    )


def format_mailbox(mailbox: Mailbox) -> str:
    """Return a mailbox as one text, its name in quotes (RFC 5322, 3.4)."""
    quoted = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{mailbox.address.spelling}>' if quoted else mailbox.address.spelling


def mailbox_object(mailbox: Mailbox) -> dict[str, str]:
    """Return a mailbox as an object of `email` and, if there is one, `name`."""
    return {"email": mailbox.address.spelling, **({"name": mailbox.name} if mailbox.name else {})}


T = TypeVar("T")


async def encode(message: Outbound, write: Callable[[], T]) -> T:
    """Return the written mail: with large files from a thread, since others wait.

    Errors pass through.
    """
    size = sum(each.size for each in message.content.get("attachments", ()))
    return write() if size <= MAX_ENCODED_AT_ONCE else await asyncio.to_thread(write)


# Senders are constants of templates.
@lru_cache(maxsize=1_000)
def _read_mailbox(text: str) -> Mailbox:
    if (mailbox := parse_mailbox(text)) is None or _CONTROL.search(mailbox.name):
        raise ValueError("a sender is not an address")
    return mailbox
