"""A mail as the embedded inbox received it."""

from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """`number` counts from 1 in order of arrival; `sender` and `recipients` are those of the envelope."""

    number: int
    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage = field(repr=False)
    received_at: datetime

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


def _printable(text: str) -> str:
    """Bytes that were no text stand in a parsed mail as surrogates, which no page can carry."""
    return text.encode(errors="replace").decode()
