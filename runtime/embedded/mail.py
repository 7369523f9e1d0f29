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
        value = self.message.get(MESSAGE_ID_HEADER)
        return None if value is None else _printable(str(value)).strip()

    @property
    def subject(self) -> str:
        return _printable(str(self.message.get("Subject", "")))

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, _printable(str(value))) for name, value in self.message.items()]

    @property
    def text(self) -> str | None:
        return self._body("plain")

    @property
    def html(self) -> str | None:
        return self._body("html")

    def _body(self, kind: str) -> str | None:
        part = self.message.get_body(preferencelist=(kind,))
        if part is None:
            return None
        try:
            return _printable(str(part.get_content())).replace("\r\n", "\n")
        except (LookupError, ValueError):  # an unknown charset or encoding
            raw = part.get_payload(decode=True)
            return raw.decode(errors="replace") if isinstance(raw, bytes) else None


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message of another channel. `address` is empty if the template names it."""

    number: int
    message_id: str
    address: str
    content: Mapping[str, Any] = field(repr=False)
    received_at: datetime


Received = ReceivedMail | ReceivedMessage


def _printable(text: str) -> str:
    """Replace the surrogates of a parsed mail that no page can carry."""
    return text.encode(errors="replace").decode()
