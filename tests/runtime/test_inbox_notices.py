"""The connection that hears of inboxes: it is lost without a word, and belongs to no request."""

from collections.abc import AsyncIterator
from contextvars import ContextVar
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from structlog.testing import capture_logs

from runtime.inbox_notices import InboxNotices, InboxSubscription
from store.inbox import NOTICES
from tests.chaos.proxy import Proxy
from tests.harness import PATIENCE, looks

PROBE = 0.2
REQUEST: ContextVar[str] = ContextVar("request", default="none")


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(urlsplit(database_url).port or 0)
    await proxy.start()
    yield proxy
    await proxy.stop()


def through(proxy: Proxy, database_url: str) -> str:
    return database_url.replace(f":{proxy.target}/", f":{proxy.port}/")


async def hears(subscription: InboxSubscription) -> None:
    """Wait for news, once."""
    async for is_last in looks(PATIENCE):
        if subscription.news.is_set():
            subscription.news.clear()
            return
        assert not is_last, "no news came"


async def notify(database_url: str, payload: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        await connection.execute("SELECT pg_notify(%s, %s)", (NOTICES, payload))


async def test_a_connection_that_is_lost_without_a_word_is_opened_again(database_url: str, proxy: Proxy) -> None:
    person = uuid4()
    notices = InboxNotices(through(proxy, database_url), PROBE)
    with notices.subscribe(person) as subscription:
        await hears(subscription)
        # Also beside probes.
        await notify(database_url, f"p:{person}")
        await hears(subscription)
        with capture_logs() as logs:
            # No error, no end: the answers are lost, and with them this notice.
            proxy.is_mute = True
            await notify(database_url, f"p:{person}")
            async for is_last in looks(PATIENCE):
                if logs:
                    break
                assert not is_last, "the loss was not noticed"
            proxy.is_mute = False
        assert {one["event"] for one in logs} == {"failed to listen for inbox notices"}
        await hears(subscription)
        await notify(database_url, f"p:{person}")
        await hears(subscription)
    await notices.close()


async def test_it_survives_an_unforeseen_error_and_has_the_context_of_no_request(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Surprised(InboxNotices):
        def wake_all(self) -> None:
            seen.append(REQUEST.get())
            if len(seen) == 1:
                raise RuntimeError("a surprise")
            super().wake_all()

    notices = Surprised(database_url)
    REQUEST.set("the first page")
    with notices.subscribe(uuid4()) as subscription, capture_logs() as logs:
        await hears(subscription)
    await notices.close()
    assert seen == ["none", "none"]
    assert [one["event"] for one in logs] == ["failed to listen for inbox notices"]
