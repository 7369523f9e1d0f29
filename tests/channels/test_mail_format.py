"""A stranger's text never becomes structure: headers show whatever a value holds, read as raw bytes."""

import asyncio
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.email import mail_format
from channels.email.mail_format import Mail, NamedAddress, write
from channels.email.smtp import build
from domain.people.addresses import parse_email
from tests.channels.messages import mail as outbound

WORD = re.compile(r"=\?utf-8\?b\?([A-Za-z0-9+/=]*)\?=")
STRUCTURAL = [
    "=?utf-8?q?A=0D=0ABcc=3A_x=40evil.example?=",
    "=?utf-8?q?A=0D=0A=0D=0Aanother_body?=",
    "=?utf-8?b?QQ0KQmNjOiB4QGV2aWwuZXhhbXBsZQ==?=",
    "Hello =?iso-8859-1?Q?=0ABcc:_x=40evil.example?= there",
    '"=?utf-8?q?A=0D=0ABcc=3A_x=40evil.example?=" <x@evil.example>',
    "=?utf-8?q?never closed",
    "=?=?=?=?",
    "a, b <c@evil.example>; d: (comment) \\\" '",
    "Ünï=?utf-8?q?A?=",
    'two  blanks   and a trailing quote"',
    "x" * 2000,
    "é=" * 300,
]
MAIL = Mail(
    subject="Hello",
    sender=NamedAddress("Example Shop", "hello@example.com"),
    recipient=NamedAddress("", "ana@example.com"),
    reply_to=NamedAddress("", "help@example.com"),
    date=datetime(2026, 11, 2, 10, 30, tzinfo=UTC),
    tokens=[("Message-ID", "<1@example.com>")],
    text="Hello\n",
    html="<p>Hello</p>\n",
)
HEADERS: dict[str, Callable[[str], Mail]] = {
    "Subject": lambda value: a_mail(subject=value),
    "From": lambda value: a_mail(sender=NamedAddress(value, "hello@example.com")),
    "Reply-To": lambda value: a_mail(reply_to=NamedAddress(value, "help@example.com")),
    "To": lambda value: a_mail(recipient=NamedAddress(value, "ana@example.com")),
}
NAMES = ["Subject", "From", "To", "Reply-To", "Date", "Message-ID", "MIME-Version", "Content-Type"]
LITERAL = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1)


def a_mail(**changed: Any) -> Mail:
    return replace(MAIL, **changed)


def head_of(payload: bytes) -> list[tuple[str, str]]:
    """The headers by RFC 5322 alone: unfolded, undecoded, in their order."""
    head, _, _ = payload.partition(b"\r\n\r\n")
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    lines = head.decode().split("\r\n")
    assert all(len(line) <= mail_format.MAX_LINE and line.strip() for line in lines)
    unfolded = re.sub(r"\r\n(?=[ \t])", "", "\r\n".join(lines)).split("\r\n")
    return [(name, value) for name, _, value in (line.partition(": ") for line in unfolded)]


def shown(value: str) -> str:
    """What a reader shows of a text or name, by RFC 2047: encoded words decoded, blanks between them left out."""
    value = re.sub(r"(?<=\?=) +(?==\?utf-8\?b\?)", "", value)
    return WORD.sub(lambda word: b64decode(word[1]).decode(), value)


def shown_in(header: str, value: str) -> str:
    if header == "Subject":
        return shown(value)
    name, _, address = value.rpartition(" <")
    assert address.endswith("@example.com>")
    if name.startswith('"'):
        assert "=?" not in name
        return re.sub(r"\\(.)", r"\1", name[1:-1])
    return shown(name)


@pytest.mark.parametrize("value", STRUCTURAL)
@pytest.mark.parametrize("header", HEADERS)
def test_whatever_a_value_holds_is_shown_literally(header: str, value: str) -> None:
    found = head_of(write(HEADERS[header](value)))
    assert [name for name, _ in found] == NAMES
    assert shown_in(header, dict(found)[header]) == value


@given(value=LITERAL)
@pytest.mark.parametrize("header", HEADERS)
def test_any_text_is_shown_literally(header: str, value: str) -> None:
    payload = write(HEADERS[header](value))
    found = head_of(payload)
    assert payload.isascii()
    assert [name for name, _ in found] == NAMES
    assert shown_in(header, dict(found)[header]) == value


def bodies_of(payload: bytes) -> list[str]:
    """The text and the HTML, as another implementation reads them, with `\\n` line ends."""
    message = message_from_bytes(payload, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    parts = list(message.iter_parts())
    assert [part.get_content_type() for part in parts] == ["text/plain", "text/html"]
    assert not any(part.defects for part in parts)
    return [part.get_content().replace("\r\n", "\n") for part in parts if isinstance(part, EmailMessage)]


def lines_of(text: str) -> list[bytes]:
    return text.encode().splitlines()


BODY = st.text(st.characters(exclude_categories=["Cs"]))
LONG = st.builds(lambda part, times: part * times, st.text("aäß=. \t\n", min_size=1, max_size=5), st.integers(1, 2_000))


@given(text=BODY | LONG, html=BODY | LONG)
@example(text=" trailing \t\n.\nFrom me\n--=_x--\n", html="x" * 998 + "\n" + "y" * 999)
@example(text="ü" * 5_000, html="\u2028\x0b\x85")
def test_any_body_arrives_as_it_was_written(text: str, html: str) -> None:
    payload = write(a_mail(text=text, html=html))
    assert payload.isascii()
    assert b"\n" not in payload.replace(b"\r\n", b"")
    assert all(len(line) <= mail_format.MAX_LINE for line in payload.split(b"\r\n"))
    assert [lines_of(found) for found in bodies_of(payload)] == [lines_of(text), lines_of(html)]


def test_a_repeated_mail_has_the_same_bytes() -> None:
    assert write(MAIL) == write(a_mail())
    assert write(MAIL) != write(a_mail(text="Other\n"))


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("control", ["\r\n", "\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"])
def test_a_control_character_is_refused(header: str, control: str) -> None:
    with pytest.raises(ValueError, match=f"the header {header} holds a control character"):
        write(HEADERS[header](f"A{control}Bcc: x@evil.example"))


@pytest.mark.parametrize("address", ["a=b?c@example.com", "a=0D=0ABcc=3A@example.com"])
def test_an_address_is_written_as_it_is(address: str) -> None:
    recipient = parse_email(address)
    assert recipient is not None
    payload = build(outbound(), recipient).payload
    assert f"\r\nTo: {address}\r\n".encode() in payload
    assert b"Bcc:" not in payload


@pytest.mark.parametrize("value", STRUCTURAL)
def test_a_channel_writes_what_a_template_gives_it(value: str) -> None:
    recipient = parse_email("ana@example.com")
    assert recipient is not None
    message = outbound(subject=value, **{"from": "=?utf-8?q?A=0D=0AX=3A_y?= <hello@example.com>"})
    found = dict(head_of(build(message, recipient).payload))
    assert shown(found["Subject"]) == value
    assert shown_in("From", found["From"]) == "=?utf-8?q?A=0D=0AX=3A_y?="
    assert "Bcc" not in found


def pythons() -> Iterator[str]:
    """Every Python 3.11 or newer that can be started here, this one among them."""
    yield sys.executable
    for minor in range(11, 16):
        path = which(f"python3.{minor}")
        if path is not None and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            yield path
    # Versions that a version manager keeps beside the one in use.
    for folder in sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.1[1-9]*")):
        yield str(folder / "bin/python")


async def test_every_python_at_hand_writes_the_same_headers() -> None:
    program = """
import sys
from runpy import run_path
from datetime import UTC, datetime
module = run_path(sys.argv[1])
for value in sys.stdin.read().split("\\0"):
    named = module["NamedAddress"](value, "hello@example.com")
    mail = module["Mail"](value, named, named, named, datetime(2026, 11, 2, tzinfo=UTC), [], "a", "b")
    payload = module["write"](mail)
    sys.stdout.buffer.write(payload.partition(b"\\r\\nMIME-Version")[0] + b"\\0")
"""
    given = "\0".join(STRUCTURAL).encode()

    async def run(python: str) -> bytes:
        process = await asyncio.create_subprocess_exec(
            python, "-I", "-c", program, mail_format.__file__, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        written, _ = await process.communicate(given)
        assert process.returncode == 0
        return written

    own, *others = [await run(python) for python in dict.fromkeys(pythons())]
    assert own.count(b"\0") == len(STRUCTURAL)
    assert all(other == own for other in others)
