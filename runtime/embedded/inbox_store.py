"""The messages of the embedded inbox, in memory and optionally in a folder.

A mail is a file `<number>.eml`: some lines about its envelope, then the mail as received, so that mail programs open
it. Other messages are `<number>.json`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path

import msgspec
import structlog

from runtime.embedded.mail import InboxReply, Received, ReceivedMail, ReceivedMessage, printable

log = structlog.get_logger()

KEEP = 1_000
_SENDER, _RECIPIENT, _RECEIVED_AT = "Return-Path: ", "Delivered-To: ", "Delivery-Date: "


class InboxStore:
    """The last 1,000 messages, oldest first, and the newest number ever given."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._items: list[Received] = []
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._items = list(_load(folder))
        self._newest = self._items[-1].number if self._items else 0
        self._drop(len(self._items) - KEEP)

    @property
    def items(self) -> Sequence[Received]:
        return self._items

    def find(self, number: int) -> Received | None:
        return next((item for item in self._items if item.number == number), None)

    def add(self, make: Callable[[int], Received]) -> Received:
        """Store a new message under the next number, and drop the oldest beyond the limit."""
        self._newest += 1
        item = make(self._newest)
        if self._folder is not None:
            _file(self._folder, item).write_bytes(_write(item))
        self._items.append(item)
        self._drop(len(self._items) - KEEP)
        return item

    def replace(self, message: ReceivedMessage) -> Received:
        """Replace the message of the same id and address, if any, and make it the newest."""
        key = (message.message_id, message.address)
        same = [one for one in self._items if isinstance(one, ReceivedMessage) and (one.message_id, one.address) == key]
        for one in same:
            self._forget(one)
        return self.add(lambda number: replace(message, number=number))

    def add_reply(self, message: ReceivedMessage, reply: InboxReply) -> None:
        """Keep a reply with its message."""
        answered = replace(message, replies=(*message.replies, reply))
        self._items[self._items.index(message)] = answered
        if self._folder is not None:
            _file(self._folder, answered).write_bytes(_write(answered))

    def _drop(self, count: int) -> None:
        for item in self._items[: max(count, 0)]:
            self._forget(item)

    def _forget(self, item: Received) -> None:
        self._items.remove(item)
        if self._folder is not None:
            _file(self._folder, item).unlink(missing_ok=True)


def parse_mail(number: int, sender: str, recipients: Iterable[str], received_at: datetime, source: bytes) -> Received:
    """Return the mail that arrived as `source`."""
    message = message_from_bytes(source, policy=policy.SMTP)
    return ReceivedMail(number, printable(sender), tuple(map(printable, recipients)), message, received_at, source)


def _file(folder: Path, item: Received) -> Path:
    return folder / f"{item.number:06}.{'eml' if isinstance(item, ReceivedMail) else 'json'}"


def _load(folder: Path) -> Iterable[Received]:
    files = (file for file in folder.iterdir() if file.suffix in (".eml", ".json") and file.stem.isdecimal())
    for file in sorted(files, key=lambda file: int(file.stem)):
        try:
            yield _read(int(file.stem), file.suffix, file.read_bytes())
        except (OSError, ValueError, msgspec.MsgspecError):
            # Half a file of a process that was killed, or a file of another origin.
            log.warning("failed to read a message of the inbox", file=file.name)


def _write(item: Received) -> bytes:
    if isinstance(item, ReceivedMessage):
        return msgspec.json.encode(item)
    lines = [
        f"{_SENDER}<{item.sender}>",
        *(f"{_RECIPIENT}{recipient}" for recipient in item.recipients),
        f"{_RECEIVED_AT}{item.received_at.isoformat()}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + item.source


def _read(number: int, suffix: str, content: bytes) -> Received:
    if suffix == ".json":
        return msgspec.json.decode(content, type=ReceivedMessage)
    sender, recipients, rest = "", [], content
    while True:
        line, end, rest = rest.partition(b"\r\n")
        text = line.decode()
        if not end:
            raise ValueError("the mail has no envelope")
        if text.startswith(_SENDER):
            sender = text.removeprefix(_SENDER)[1:-1]
        elif text.startswith(_RECIPIENT):
            recipients.append(text.removeprefix(_RECIPIENT))
        else:
            received_at = datetime.fromisoformat(text.removeprefix(_RECEIVED_AT))
            return parse_mail(number, sender, recipients, received_at, rest)
