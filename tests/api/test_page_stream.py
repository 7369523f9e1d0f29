"""A stream whose database is away for a while, or whose contents cannot be read."""

from collections.abc import Collection, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import psycopg

from api.client.callers import Caller
from api.client.open_streams import OpenStream
from api.client.page_stream import PageStream
from application.inbox import InboxView
from domain.sending.inbox import InboxMessage, InboxState
from runtime.inbox_notices import InboxSubscription
from tests.api.inboxes import CONTENT
from tests.virtual_time import run_virtually

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
NOTHING: Any = {"placement": None, "shown_at": None, "clicked_at": None, "dismissed_at": None, "completed_at": None}


def state(seq: int) -> InboxState:
    return InboxState(
        message_id=uuid4(),
        seq=seq,
        channel="in_app",
        kind="banner",
        priority=50,
        every=CONTENT["every"],
        size=100,
        expires_at=AT,
        given_at=AT,
        shows=(),
        **NOTHING,
    )


def view(*messages: InboxState) -> InboxView:
    return InboxView(len(messages), messages, [one.message_id for one in messages], 30.0)


class Pages:
    """An inbox of one message and then of another, whose contents cannot be read so many times."""

    def __init__(self, faults: int) -> None:
        self.first, self.second = state(1), state(2)
        self.held: list[set[UUID]] = []
        self._faults = faults

    async def read(self, held: Collection[UUID]) -> InboxView:
        self.held.append(set(held))
        return view(self.second)

    async def load(self, messages: Sequence[InboxState]) -> list[InboxMessage]:
        if messages and self._faults:
            self._faults -= 1
            raise psycopg.OperationalError("away")
        return [one.message(CONTENT) for one in messages]

    async def follow(self, count: int, since: int) -> list[bytes]:
        """Return the first events, but for `retry`."""
        stream = OpenStream(cast("Caller", None), InboxSubscription(None))
        stream.subscription.news.set()
        found: list[bytes] = []
        async with aclosing(
            cast("Any", PageStream(stream, self.read, self.load, since, 600).events(view(self.first)))
        ) as events:
            async for one in events:
                found.append(one)
                if len(found) > count:
                    break
        return found[1:]


def names(events: list[bytes]) -> list[bytes]:
    return [one.splitlines()[0].removeprefix(b"event: ") for one in events]


def test_a_stream_whose_first_contents_cannot_be_read_goes_on() -> None:
    pages = Pages(faults=1)

    async def work() -> None:
        events = await pages.follow(3, since=0)
        assert names(events) == [b"open", b"withdrawn", b"message"]
        assert str(pages.first.message_id).encode() in events[1]
        assert str(pages.second.message_id).encode() in events[2]

    run_virtually(work())
    assert pages.held == [{pages.first.message_id}, {pages.second.message_id}]


def test_what_is_withdrawn_waits_for_no_contents() -> None:
    async def work() -> None:
        assert names(await Pages(faults=1_000).follow(2, since=1)) == [b"open", b"withdrawn"]

    assert run_virtually(work()) < 1
