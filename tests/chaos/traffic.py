"""The steady stream: people who enter campaigns, buy and look, and whose events come twice or late; an operator."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any
from uuid import uuid4

from tests.chaos.campaigns import BASKET, CANARY, CART, LETTER, NUDGE, ORDERED, PULSE, RECEIPT, SEEN, TIDE
from tests.chaos.client import WAYS, Client, Item
from tests.chaos.mail_apis import write_document
from tests.chaos.mailings import append_mailing
from tests.chaos.reporter import BOUNCING, COMPLAINING

# How many of the people are new when they first do something, how many entries are reported twice, and how many only
# once, whatever becomes of it.
NEW, TWICE, ONCE = 0.1, 0.1, 0.1
# How many migrations are to a version that there has been.
BACK = 0.3
# People look at a page for so many seconds.
VISIT = 10.0
Scene = Callable[[str], Coroutine[Any, Any, None]]


class Traffic:
    """Scenes of a seed's people, one after the other, each played beside the others."""

    def __init__(self, client: Client, seed: str, people: int) -> None:
        self._client = client
        self._rolls = random.Random(f"{seed}/traffic")
        self._people = [f"u{number}" for number in range(people)]
        self._refs = itertools.count(1)
        scenes: dict[Scene, int] = {
            self._cart: 8,
            self._bought_at_once: 1,
            self._bought_before: 1,
            self._ended_by_hand: 2,
            self._letter: 4,
            self._receipt: 4,
            self._pulse: 3,
            self._tide: 3,
            self._basket: 4,
            self._nudge: 3,
            self._shared_device: 3,
            self._refusing: 3,
        }
        self._scenes, self._weights = list(scenes), list(scenes.values())

    async def introduce(self) -> None:
        """Say who the people are."""
        await asyncio.gather(*(self._client.identify(user) for user in self._people))

    async def flow(self, seconds: float, rate: float) -> None:
        """So many scenes a second; return when all that was sent has been acknowledged."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with asyncio.TaskGroup() as playing:
            for manner in (BOUNCING, COMPLAINING):
                playing.create_task(self._refuse(manner, await self._somebody()))
            while loop.time() < end:
                [scene] = self._rolls.choices(self._scenes, self._weights)
                playing.create_task(scene(await self._somebody()))
                await asyncio.sleep(self._rolls.expovariate(rate))

    async def _somebody(self) -> str:
        """Mostly one of the first few, so that they come under the cap and the others do not."""
        if self._rolls.random() >= NEW:
            return self._people[min(int(self._rolls.expovariate(3 / len(self._people))), len(self._people) - 1)]
        user = f"n{next(self._refs)}"
        await self._client.identify(user)
        return user

    def _ref(self) -> str:
        return f"r{next(self._refs)}"

    async def _enter(self, user: str, event: str) -> str:
        """Report an entry, perhaps twice at once: the same report, or another of the same thing."""
        ref, roll = self._ref(), self._rolls.random()
        item = Item(user, event, ref, message_id=str(uuid4()))
        if roll < TWICE:
            await asyncio.gather(self._client.report(item), self._client.report(item))
        elif roll < 2 * TWICE:
            await asyncio.gather(self._client.report(item), self._client.report(Item(user, event, ref)))
        else:
            await self._client.report(item, is_patient=roll < 1 - ONCE)
        return ref

    async def _cart(self, user: str) -> None:
        buys, sees = self._rolls.random() < 0.5, self._rolls.random() < 0.3
        pauses = self._rolls.uniform(0.5, 6), self._rolls.uniform(0, 5)
        ref = await self._enter(user, CART.entry)
        if sees:
            await asyncio.sleep(pauses[0])
            await self._client.report(Item(user, SEEN, ref))
        if buys:
            await asyncio.sleep(pauses[1])
            await self._client.report(Item(user, ORDERED, ref))

    async def _bought_at_once(self, user: str) -> None:
        ref = self._ref()
        await self._client.report(Item(user, CART.entry, ref, late=1), Item(user, ORDERED, ref))

    async def _bought_before(self, user: str) -> None:
        ref = self._ref()
        await self._client.report(Item(user, ORDERED, ref), Item(user, CART.entry, ref, late=1))

    async def _ended_by_hand(self, user: str) -> None:
        pause = self._rolls.uniform(0.5, 6)
        ref = await self._enter(user, CART.entry)
        await asyncio.sleep(pause)
        await self._client.exit(CART.key, user, ref)

    async def _letter(self, user: str) -> None:
        await self._enter(user, LETTER.entry)

    async def _receipt(self, user: str) -> None:
        await self._enter(user, RECEIPT.entry)

    async def _pulse(self, user: str) -> None:
        await self._enter(user, PULSE.entry)
        self._client.pages.visit(user, VISIT)

    async def _tide(self, user: str) -> None:
        await self._enter(user, TIDE.entry)
        self._client.pages.visit(user, VISIT)

    async def _basket(self, user: str) -> None:
        buys, pause = self._rolls.random() < 0.5, self._rolls.uniform(0, 5)
        ref = await self._enter(user, BASKET.entry)
        self._client.pages.visit(user, VISIT)
        if buys:
            await asyncio.sleep(pause)
            await self._client.report(Item(user, ORDERED, ref))

    async def _nudge(self, user: str) -> None:
        """They come before the mail, while it goes, or after it."""
        pause = self._rolls.uniform(0, 8)
        await self._enter(user, NUDGE.entry)
        await asyncio.sleep(pause)
        self._client.pages.visit(user, VISIT)

    async def _shared_device(self, user: str) -> None:
        """Two or three who sign in at once on a device that was used before, one of them known, and what they buy."""
        device, ways = f"d{next(self._refs)}", self._rolls.choices(WAYS, k=3)
        users = [user, *(f"n{next(self._refs)}" for _ in range(self._rolls.randint(1, 2)))]
        self._rolls.shuffle(users)
        await self._client.see(device)
        await asyncio.gather(
            *(self._client.sign_in(one, device, way) for one, way in zip(users, ways, strict=False)),
        )
        await asyncio.gather(*(self._client.identify(one) for one in users))
        await asyncio.gather(*(self._enter(one, RECEIPT.entry) for one in users))

    async def _refusing(self, user: str) -> None:
        await self._refuse(self._rolls.choice((BOUNCING, COMPLAINING)), user)

    async def _refuse(self, manner: str, user: str) -> None:
        """Another one, whose address bounces or who complains about the first mail, while others are on their way."""
        refusing = f"{manner}-{next(self._refs)}-{user}"
        pauses = [self._rolls.uniform(0, 1.5) for _ in range(4)]
        entries = [LETTER.entry, *self._rolls.choices((LETTER.entry, RECEIPT.entry), k=4)]
        await self._client.identify(refusing)
        await self._enter(refusing, entries[0])
        for pause, entry in zip(pauses, entries[1:], strict=True):
            await asyncio.sleep(pause)
            await self._enter(refusing, entry)


class Operator:
    """Moves three campaigns until told to leave off, each by one hand: what is asked for is done in that order.

    Editions of a campaign are numbered from 1, which is published already, and so are its versions. The operator also
    resumes a provider that is complained of; `database_url` is that of its earlier mailings.
    """

    def __init__(self, client: Client, seed: str, hook_url: str, database_url: str) -> None:
        self._client = client
        self._database_url = database_url
        self._rolls = random.Random(f"{seed}/operator")
        self._hook_url = hook_url

    async def work(self, leave_off: asyncio.Event) -> None:
        """When it is over two run, and the other has been stopped for good; no provider is paused."""
        await asyncio.gather(
            self._pause(leave_off), self._stop(leave_off), self._migrate(leave_off), self._resume(leave_off)
        )

    async def _resume(self, leave_off: asyncio.Event) -> None:
        """Resume a provider's marketing some time after people have complained of its mailing.

        They complain one after the other until one of them got a letter by that provider.
        """
        people = itertools.count()
        while not await _is_over(leave_off, self._rolls.uniform(3, 12)):
            await append_mailing(self._database_url, "keyless")
            while not await self._client.is_paused("keyless"):
                user = f"{COMPLAINING}-of-mailing{next(people)}"
                await self._client.identify(user)
                await self._client.report(Item(user, LETTER.entry, f"letter-of-{user}"))
                await asyncio.sleep(1)
            await _is_over(leave_off, self._rolls.uniform(1, 5))
            await self._client.resume("keyless")

    async def _pause(self, leave_off: asyncio.Event) -> None:
        """Pause one and resume it; in between those whose messages are held go over to another version."""
        for edition in itertools.count(2):
            if await _is_over(leave_off, self._rolls.uniform(3, 12)):
                return
            await self._client.move(PULSE.key, "pause")
            await _is_over(leave_off, self._rolls.uniform(0.5, 3))
            await self._client.migrate(PULSE, self._hook_url, edition)
            await _is_over(leave_off, self._rolls.uniform(0, 3))
            await self._client.move(PULSE.key, "resume")

    async def _stop(self, leave_off: asyncio.Event) -> None:
        """Stop another with exit, while some are on their way to a version, and start it anew."""
        editions = itertools.count(2)
        while True:
            is_over = await _is_over(leave_off, self._rolls.uniform(5, 15))
            await self._client.migrate(TIDE, self._hook_url, next(editions))
            await _is_over(leave_off, self._rolls.uniform(0, 5))
            await self._client.move(TIDE.key, "stop", {"mode": "exit"})
            if is_over or await _is_over(leave_off, self._rolls.uniform(0, 3)):
                return
            await self._client.publish(TIDE, self._hook_url, next(editions))
            await self._client.move(TIDE.key, "start")

    async def _migrate(self, leave_off: asyncio.Event) -> None:
        """Take the journeys of a third to a new version, or back to one that they may have come from."""
        latest = 1
        while not await _is_over(leave_off, self._rolls.uniform(0, 5)):
            if self._rolls.random() < BACK:
                await self._client.move(
                    CART.key, "start", {"version": self._rolls.randint(1, latest), "in_flight": "migrate"}
                )
            else:
                latest += 1
                await self._client.migrate(CART, self._hook_url, latest)


async def put_providers(client: Client, relay_port: int, keyless: int = 50) -> None:
    """Put a document of providers in force, with so many percent of marketing for `keyless`; close all circuits."""
    source = write_document(relay_port, keyless=keyless)
    await client.act("PUT", "/v1/providers", {"file": "providers.yaml", "source": source})


async def canary(client: Client) -> str:
    """Send one through the whole service; its ref. Each is a person: one has a hundred journeys at most."""
    ref = f"c{uuid4()}"
    await client.report(Item(ref, CANARY.entry, ref))
    return ref


async def meet(client: Client, users: Sequence[str]) -> None:
    """Have something to be sent at once: letters to several, or something by each provider to one."""
    entries = (CANARY.entry, RECEIPT.entry, LETTER.entry) if len(users) == 1 else (LETTER.entry,)
    await client.report(*(Item(user, entry, f"{user}-{entry.lower()}") for user in users for entry in entries))


async def _is_over(event: asyncio.Event, seconds: float) -> bool:
    """Whether it was set within so many seconds."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
