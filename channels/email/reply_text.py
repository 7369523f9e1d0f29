"""The text of a reply: its plain part, without what it quotes."""

import re
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from html.parser import HTMLParser
from textwrap import wrap
from typing import Final

from mailparser_reply import EmailReplyParser

from domain.sending.reports import MAX_ATTACHMENTS, MAX_REPLY_CHARACTERS, MailReply

MAX_PARTS: Final = 50
# Patterns of the library take the cube of a line's length.
_MAX_LINE: Final = 500
# Characters of HTML, from its body on: the parser of the standard library may take the square of them.
_MAX_HTML: Final = 40_000
_LANGUAGES: Final = ["en", "de", "fr", "es", "it", "nl", "pl", "cs", "da", "sv", "ja", "ko", "zh"]
_BLANK_LINES: Final = re.compile(r"\n\s*\n\s*")
# RFC 3676, 4.3. Other signatures are not told from the text itself: it goes on after `Thanks,`.
_SIGNATURE: Final = re.compile(r"^-- ?$.*", re.MULTILINE | re.DOTALL)
_HIDDEN: Final = frozenset({"style", "script", "title", "blockquote"})
_BREAKS: Final = frozenset({"br", "p", "div", "tr", "li", "h1", "h2", "h3"})


def read_reply(mail: Message) -> MailReply:
    """Return the subject, the text and the attachments of a reply."""
    plain = html = None
    attachments: list[str] = []
    for number, part in enumerate(mail.walk()):
        if number >= MAX_PARTS:
            break
        if part.is_multipart():
            continue
        if (name := part.get_filename()) or part.get_content_disposition() == "attachment":
            attachments.append(decode(name or part.get_content_type()))
        elif plain is None and part.get_content_type() == "text/plain":
            plain = _decode_part(part)
        elif html is None and part.get_content_type() == "text/html":
            html = _decode_part(part)
    text = plain if plain is not None else _strip_tags(html or "")
    return MailReply(decode(mail.get("Subject", "")), strip_quoted(text), tuple(attachments[:MAX_ATTACHMENTS]))


def strip_quoted(text: str) -> str:
    """Return the text of a reply, at most MAX_REPLY_CHARACTERS, without quoted mails.

    A reply between or below what it quotes keeps its own lines.
    """
    lines = text.replace("\r\n", "\n").strip()[:MAX_REPLY_CHARACTERS].split("\n")
    folded = "\n".join(
        piece for line in lines for piece in (wrap(line, _MAX_LINE) if len(line) > _MAX_LINE else [line.rstrip()])
    )
    whole = _BLANK_LINES.sub("\n\n", folded)
    latest = EmailReplyParser(languages=list(_LANGUAGES)).parse_reply(whole) or ""
    return _drop_quoted_lines(_SIGNATURE.sub("", latest)) or _drop_quoted_lines(whole)


def _drop_quoted_lines(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith(">")).strip()


def decode(value: object) -> str:
    """Return the text of a header, as far as its encoded words can be read."""
    try:
        text = str(make_header(decode_header(str(value))))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.split())


def _decode_part(part: Message) -> str:
    content = part.get_payload(decode=True)
    raw = content if isinstance(content, bytes) else b""
    try:
        return raw.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _strip_tags(html: str) -> str:
    start = max(html.lower().find("<body"), 0)
    reader = _TextReader()
    # A marked section is a comment to browsers, as any other declaration, and may be a fault to the parser.
    reader.feed(html[start : start + _MAX_HTML].replace("<![", "<! ["))
    reader.close()
    return "".join(reader.pieces)


class _TextReader(HTMLParser):
    """Collects the text of HTML without quotations."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag in _BREAKS:
            self.pieces.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[self._hidden.index(tag) :]

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(" ".join(data.split("\n")))
