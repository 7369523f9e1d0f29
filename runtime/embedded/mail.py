"""Received mails and messages of the embedded inbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from typing import Any

MESSAGE_ID_HEADER = "X-Sojourn-Message"


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One mail. `number` counts arrivals from 1; the addresses are the envelope's."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage = field(repr=False)
    received_at: datetime
    source: bytes = field(default=b"", repr=False)

    @property
    def message_id(self) -> str | None:
        """The message's id in the ledger; None for a mail that Sojourn did not send."""
        value = self._header(MESSAGE_ID_HEADER)
        return None if value is None else value.strip()

    @property
    def subject(self) -> str:
        return self._header("Subject") or ""

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, self._read(name, raw)) for name, raw in self.message.raw_items()]

    @property
    def text(self) -> str | None:
        return self._body("plain")

    @property
    def html(self) -> str | None:
        return self._body("html")

    def _header(self, name: str) -> str | None:
        found = (raw for each, raw in self.message.raw_items() if each.lower() == name.lower())
        return next((self._read(name, raw) for raw in found), None)

    def _read(self, name: str, raw: str) -> str:
        """A header's value, decoded where it can be."""
        try:
            return printable(str(self.message.policy.header_fetch_parse(name, raw)))
        except Exception:  # noqa: BLE001 - Python's parser raises errors of many types for malformed headers
            return printable(raw)

    def _body(self, kind: str) -> str | None:
        try:
            part = self.message.get_body(preferencelist=(kind,))
        except Exception:  # noqa: BLE001 - as above: headers say which part is the body
            return None
        if part is None:
            return None
        try:
            return printable(str(part.get_content())).replace("\r\n", "\n")
        except (LookupError, ValueError):  # an unknown charset or encoding
            raw = part.get_payload(decode=True)
            return raw.decode(errors="replace") if isinstance(raw, bytes) else None


@dataclass(frozen=True, slots=True)
class InboxReply:
    """An answer of the reader of the inbox, in the place of the recipient."""

    text: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message of another channel. `address` is empty if the template names it.

    A notification of a device is reported about at `report_url`.
    """

    number: int
    message_id: str
    address: str
    content: Mapping[str, Any] = field(repr=False)
    received_at: datetime
    report_url: str = field(default="", repr=False)
    replies: tuple[InboxReply, ...] = field(default=(), repr=False)


Received = ReceivedMail | ReceivedMessage


def printable(text: str) -> str:
    """Return a text of a mail without the surrogates that no page can carry."""
    return text.encode(errors="replace").decode()
