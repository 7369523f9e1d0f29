"""A shop whose pages ask for messages and follow streams of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from ipaddress import ip_network
from typing import Any

from tests.api.inboxes import PageEvents, follow
from tests.api.shop import Shop, open_shop

STREAMS = 16
PROXIES = (ip_network("127.0.0.0/8"),)
NEW = "a-new"


@asynccontextmanager
async def open_page_shop(database_url: str) -> AsyncIterator[Shop]:
    """A shop with an anonymous person who has a journey of their own."""
    async with open_shop(database_url, client_streams=STREAMS, trusted_proxies=PROXIES) as shop:
        # An anonymous person in a journey of their own.
        assert (await shop.report("track", {"anonymousId": NEW, "event": "Signed Up"})).is_success
        yield shop


async def read(shop: Shop, user: str | None = "u-victim", *, path: str = "messages", **request: Any) -> dict[str, Any]:
    if user is not None:
        request["user_token"] = shop.token(user)
    answer = await shop.ask("GET", path, **request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def begin(stack: AsyncExitStack, shop: Shop, url: str, **caller: Any) -> PageEvents:
    """Open a stream, up to its first event."""
    caller = caller or {"user_token": shop.token("u-victim")}
    page = await stack.enter_async_context(follow(url, shop.key["token"], **caller))
    assert page.response.status_code == 200
    return page
