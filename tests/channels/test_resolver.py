"""Name servers that do not answer hold up the look-ups of their own names, and no others."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from channels.resolver import MAX_SLOW_THREADS, MAX_THREADS, LookupFailedError, Resolver
from channels.webhook.http import WebhookHttp
from domain.sending.delivery import Accepted, Unavailable
from tests.channels.messages import hook
from tests.channels.servers import Receiver, listening
from tests.channels.test_webhook import SECRET
from tests.harness import PATIENCE, looks

# More than the default executor of asyncio has threads on any machine with up to 32 processors.
MANY = 40


class NameServers:
    """Answers at once for every name but those of `.dead`, for which it answers when told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.back = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked[host] += 1
        if host.endswith(".dead"):
            self.back.wait()
        if host == "absent.test":
            raise OSError("no such name")
        return ["127.0.0.1"]


@pytest.fixture
def servers() -> Iterator[NameServers]:
    servers = NameServers()
    yield servers
    # Threads that wait would outlive the test.
    servers.back.set()


async def until(is_so: Callable[[], bool]) -> None:
    """Look again and again: threads give no event that asyncio could wait for."""
    async for is_last in looks(PATIENCE):
        if is_so():
            return
        assert not is_last


async def test_two_receivers_with_dead_name_servers_hold_up_no_healthy_one(servers: NameServers) -> None:
    healthy = Receiver()
    channel = WebhookHttp([SECRET], True, resolver=Resolver(servers, seconds=4.0))
    async with listening(healthy.talk) as port:
        dead = [
            asyncio.create_task(channel.deliver(hook(f"http://{name}.dead:{port}/"), ""))
            for name in "ab"
            for _ in range(MANY)
        ]
        await until(lambda: len(servers.asked) == 2)
        urls = [f"http://shop{number}.test:{port}/" for number in range(MANY)]
        assert await asyncio.gather(*(channel.deliver(hook(url), "") for url in urls)) == [Accepted(None)] * MANY
        assert not any(task.done() for task in dead)
        outcomes = await asyncio.gather(*dead)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert (servers.asked["a.dead"], servers.asked["b.dead"]) == (1, 1)


async def test_names_that_did_not_answer_have_a_small_share_of_the_threads(servers: NameServers) -> None:
    resolver = Resolver(servers, seconds=0.05)
    names = [f"n{number}.dead" for number in range(MAX_THREADS)]
    refusals = await asyncio.gather(*(resolver.addresses(name) for name in names), return_exceptions=True)
    assert all(isinstance(refusal, LookupFailedError) for refusal in refusals)
    with pytest.raises(LookupFailedError, match=r"shop\.test was not looked up: too many"):
        await resolver.addresses("shop.test")
    servers.back.set()
    await until(lambda: not resolver._under_way)
    # Their servers are silent once more: a few names find that out, and the others do not wait.
    servers.back.clear()
    resolver._slow.update(dict.fromkeys(names))
    before = servers.asked.total()
    again = asyncio.gather(*(resolver.addresses(name) for name in names), return_exceptions=True)
    assert await resolver.addresses("shop.test") == ["127.0.0.1"]
    await again
    assert servers.asked.total() - before == MAX_SLOW_THREADS + 1


async def test_a_name_that_is_found_again_is_no_longer_slow(servers: NameServers) -> None:
    resolver = Resolver(servers, seconds=0.05)
    with pytest.raises(LookupFailedError, match="within"):
        await resolver.addresses("shop.dead")
    servers.back.set()
    assert await resolver.addresses("shop.dead") == ["127.0.0.1"]
    assert await resolver.addresses("shop.dead") == ["127.0.0.1"]
    assert resolver._slow == {}


async def test_a_name_that_is_not_there_is_said_so(servers: NameServers) -> None:
    with pytest.raises(LookupFailedError, match=r"absent\.test could not be looked up: no such name"):
        await Resolver(servers).addresses("absent.test")


async def test_a_caller_who_gives_up_does_not_end_the_look_up_for_others(servers: NameServers) -> None:
    resolver = Resolver(servers)
    first, second = (asyncio.create_task(resolver.addresses("shop.dead")) for _ in range(2))
    await until(lambda: bool(servers.asked))
    first.cancel()
    servers.back.set()
    assert await second == ["127.0.0.1"]


async def test_the_machines_resolver_is_the_default() -> None:
    assert "127.0.0.1" in await Resolver().addresses("localhost")
    with pytest.raises(LookupFailedError):
        await Resolver().addresses("no-such-name.invalid")
