"""Serialise a mail: RFC 5322 headers, RFC 2047 words, multipart/alternative.

The headers are encoded here and never parsed. The parser of Python's `email` package decodes encoded words in assigned
headers, so that a value such as `=?utf-8?q?A=0D=0ABcc=3A_x=40evil.example?=` would add a header (CVE-2024-6923). Here a
value that could be read as an encoded word is itself encoded, and is shown unchanged.

The module needs only the standard library, so that one test runs it under every Python.
"""

import re
from base64 import b64encode, encodebytes
from binascii import b2a_qp
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from hashlib import sha256

# RFC 5322, 2.1.1: a line has at most 998 characters, and should have 78. RFC 2047, 2: at most 76 with encoded words.
MAX_LINE = 998
WANTED_LINE = 76
# RFC 2047, 2: an encoded word has at most 75 characters, of which 12 declare UTF-8 in Base64.
_WORD_OVERHEAD = len("=?utf-8?b??=")
_MAX_WORD_BYTES = (75 - _WORD_OVERHEAD) // 4 * 3
# A longer name is written in encoded words, which can be folded anywhere.
_MAX_QUOTED_NAME = 60

# C0 and C1 controls, line and paragraph separators: anything that might end a header.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_PRINTABLE_ASCII = re.compile("[ -~]*")
# RFC 5322, 3.2.3: words of a name that need no quotes.
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+(?: [A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+)*")


@dataclass(frozen=True, slots=True)
class NamedAddress:
    """An address for the wire, with the name shown before it, which may be empty."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file in Base64, in lines with CRLF. Its name is of ASCII without quotes."""

    name: str
    media_type: str
    base64: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail's content. `tokens` are further headers of ASCII, such as URLs."""

    subject: str
    sender: NamedAddress
    recipient: NamedAddress
    reply_to: NamedAddress | None
    date: datetime
    tokens: Sequence[tuple[str, str]]
    text: str
    html: str
    attachments: Sequence[AttachedFile] = ()


def write(mail: Mail) -> bytes:
    """Return the mail with CRLF line ends, in ASCII if the addresses allow it.

    An address without an ASCII form needs UTF-8 (RFC 6532). Raises ValueError for a control character in a header or
    invalid Unicode; nothing is dropped in silence.
    """
    lines = [_text_header("Subject", mail.subject), _address_header("From", mail.sender)]
    lines.append(_address_header("To", mail.recipient))
    if mail.reply_to is not None:
        lines.append(_address_header("Reply-To", mail.reply_to))
    lines.append(f"Date: {format_datetime(mail.date)}")
    lines += [_token_header(name, value) for name, value in mail.tokens]
    head = "".join(f"{line}\r\n" for line in lines)
    # Both alternatives are in 7bit, since a server need not offer 8BITMIME.
    body = _multipart("alternative", [_part("plain", mail.text), _part("html", mail.html)])
    if mail.attachments:
        body = _multipart("mixed", [body, *map(_attachment, mail.attachments)])
    return head.encode() + b"MIME-Version: 1.0\r\n" + body


def _multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    # A part would have to hold the digest of itself.
    boundary = f"=_{sha256(b'&'.join(parts)).hexdigest()[:40]}".encode()
    head = f"Content-Type: multipart/{subtype};\r\n boundary=".encode() + b'"' + boundary + b'"\r\n\r\n'
    return head + b"".join(b"--" + boundary + b"\r\n" + part + b"\r\n" for part in parts) + b"--" + boundary + b"--\r\n"


def _attachment(file: AttachedFile) -> bytes:
    head = (
        f"Content-Type: {file.media_type}\r\n"
        f'Content-Disposition: attachment;\r\n filename="{file.name}"\r\n'
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return (head + file.base64).encode()


def _part(subtype: str, content: str) -> bytes:
    # Not as text: that would break lines at other characters, too.
    lines = content.encode().splitlines()
    body = b"".join(line + b"\r\n" for line in lines)
    if body.isascii() and all(len(line) <= MAX_LINE for line in lines):
        encoding = b"7bit"
    else:
        quoted, packed = b2a_qp(body), encodebytes(body).replace(b"\n", b"\r\n")
        encoding, body = (b"base64", packed) if len(packed) < len(quoted) else (b"quoted-printable", quoted)
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: '.encode()
    return head + encoding + b"\r\n\r\n" + body


def _text_header(name: str, value: str) -> str:
    _refuse_controls(name, value)
    if _can_stay(value):
        folded = _fold(name, re.findall(" *[^ ]+", value))
        if all(len(line) <= MAX_LINE for line in folded.split("\r\n")):
            return folded
    return _fold(name, _encoded_words(value, len(name) + 2))


def _address_header(name: str, mailbox: NamedAddress) -> str:
    _refuse_controls(name, mailbox.name)
    _refuse_controls(name, mailbox.address)
    if not mailbox.name:
        return f"{name}: {mailbox.address}"
    address = f" <{mailbox.address}>"
    if not _can_stay(mailbox.name) or len(mailbox.name) > _MAX_QUOTED_NAME:
        return _fold(name, [*_encoded_words(mailbox.name, len(name) + 2), address])
    quoted = mailbox.name.replace("\\", "\\\\").replace('"', '\\"')
    return _fold(name, [mailbox.name if _ATOMS.fullmatch(mailbox.name) else f'"{quoted}"', address])


def _token_header(name: str, value: str) -> str:
    """Build a one-line header: Python 3.11 would break a long List-Unsubscribe."""
    if not value.isascii() or not value.isprintable() or len(name) + 2 + len(value) > MAX_LINE:
        raise ValueError(f"the header {name} is not a line of ASCII")
    return f"{name}: {value}"


def _refuse_controls(name: str, value: str) -> None:
    if _CONTROL.search(value):
        raise ValueError(f"the header {name} holds a control character")


def _can_stay(value: str) -> bool:
    """Return whether readers show these characters unchanged: `=?` begins a word."""
    return _PRINTABLE_ASCII.fullmatch(value) is not None and "=?" not in value and value == value.strip(" ")


def _encoded_words(value: str, used: int) -> list[str]:
    """Split a value into encoded words; `used` characters precede it in its line.

    A word holds whole characters only (RFC 2047, 5).
    """
    limit = (WANTED_LINE - used - _WORD_OVERHEAD) // 4 * 3
    words: list[bytes] = [b""]
    for character in value:
        encoded = character.encode()
        if len(words[-1]) + len(encoded) > limit:
            words.append(b"")
            limit = _MAX_WORD_BYTES
        words[-1] += encoded
    encoded_words = [f"=?utf-8?b?{b64encode(word).decode()}?=" for word in words]
    return [encoded_words[0], *(f" {word}" for word in encoded_words[1:])]


def _fold(name: str, parts: Iterable[str]) -> str:
    """Fold a header before parts that make a line too long; parts begin with a blank."""
    lines = [f"{name}: "]
    for number, part in enumerate(parts):
        if number and len(lines[-1]) + len(part) > WANTED_LINE:
            lines.append(part)
        else:
            lines[-1] += part
    return "\r\n".join(lines)
