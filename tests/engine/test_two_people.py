"""Two people never become one, however their first calls from a shared device race: docs/semantics.md#identity."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, LiteralString

import httpx
import pytest

from store.database import Database
from tests.api.fakes import WRITE_KEY
from tests.api.live import api_process
from tests.harness import PATIENCE, Harness
from tests.proofs import rounds

SEED = 20_261_129
ROUNDS = rounds(100, 1_000)
# Rounds that go in one batch, so that a thousand of them take little time: each still has a device of its own.
AT_ONCE = 50
# Rounds one after the other, of which the carts are mailed as well.
MAILED = 8

CARTS = """
key: cart
name: Cart
entry: {event: Cart Abandoned, key: event.properties.cart_id}
steps: [{id: mail, send: {channel: email, template: cart, category: transactional}}]
"""
CART = """---
channel: email
subject: "Your cart"
from: Example Shop <hello@example.com>
text: "{{ entry.properties.cart_id }}"
---
<p>{{ entry.properties.cart_id }}</p>
"""


@dataclass
class Device:
    """One anonymous id, which was heard of before, and the users whose first calls from it come at once."""

    id: str
    users: list[str] = field(default_factory=list)


def call(type: str, user: str | None, device: str | None, **more: Any) -> dict[str, Any]:
    return {"type": type, **({"userId": user} if user else {}), **({"anonymousId": device} if device else {}), **more}


def identify(user: str, device: str | None = None) -> dict[str, Any]:
    return call("identify", user, device, traits={"email": f"{user}@example.com"})


def first_call(rolls: random.Random, user: str, device: str, event: str) -> dict[str, Any]:
    """What links a user with a device, in one of the three ways."""
    match rolls.randrange(3):
        case 0:
            return identify(user, device)
        case 1:
            return call("alias", user, None, previousId=device)
        case _:
            return call("track", user, device, event=event, properties={"cart_id": f"{user}-first"})


class Clients:
    """Tracking clients, each of whom speaks to another of two API processes, and repeats what is refused for now."""

    def __init__(self, apis: Sequence[httpx.AsyncClient]) -> None:
        self._apis = itertools.cycle(apis)
        self.repeats = 0

    async def report(self, batch: Sequence[dict[str, Any]]) -> None:
        items = [{"messageId": f"m{next(_NUMBERS)}", **item} for item in batch]
        api = next(self._apis)
        while True:
            answer = await api.post("/v1/batch", json={"batch": items})
            if answer.is_success:
                assert answer.json().keys() <= {"success", "duplicates"}, answer.text
                return
            assert answer.status_code == 503, answer.text
            self.repeats += 1
            await asyncio.sleep(0.05)


_NUMBERS = itertools.count(1)


@asynccontextmanager
async def clients(database_url: str) -> AsyncIterator[Clients]:
    async with AsyncExitStack() as stack:
        processes = [
            await stack.enter_async_context(api_process(database_url, rate_limit=0, database_pool_size=12))
            for _ in range(2)
        ]
        yield Clients([await stack.enter_async_context(one.client(WRITE_KEY)) for one in processes])


async def race(reporting: Clients, rolls: random.Random, devices: Sequence[Device], users: int, event: str) -> None:
    """Let all users of each device call for the first time at once; half of them are known from elsewhere."""
    for device in devices:
        device.users = [f"{device.id}-u{number}" for number in range(users)]
    known = [identify(user) for device in devices for user in device.users if rolls.random() < 0.5]
    await reporting.report([*known, *(call("page", None, device.id, name="Seen") for device in devices)])
    batches = [
        rolls.sample([first_call(rolls, device.users[number], device.id, event) for device in devices], len(devices))
        for number in range(users)
    ]
    await asyncio.gather(*(reporting.report(batch) for batch in batches))
    await reporting.report([call("page", None, device.id, name="Seen again") for device in devices])


async def go_on(reporting: Clients, devices: Sequence[Device]) -> None:
    """Let each user say an address, and abandon a cart."""
    users = [user for device in devices for user in device.users]
    await reporting.report([identify(user) for user in users])
    await reporting.report(
        [call("track", user, None, event="Cart Abandoned", properties={"cart_id": f"{user}-later"}) for user in users]
    )


async def rows(database: Database, sql: LiteralString) -> list[dict[str, Any]]:
    async with database.transaction() as connection:
        return await (await connection.execute(sql)).fetchall()


async def merged(database: Database, devices: Iterable[Device]) -> list[str]:
    """What the database says of anybody who is not who they are."""
    people = await rows(
        database,
        """
        SELECT profiles.user_id, profiles.traits ->> 'email' AS email,
               array_agg(identities.value) FILTER (WHERE kind = 'user') AS users,
               array_agg(identities.value) FILTER (WHERE kind = 'anonymous') AS devices
        FROM profiles JOIN identities ON identities.profile_id = profiles.id GROUP BY profiles.id
        """,
    )
    wrong = [
        f"{row['users']} are one profile, {row['user_id']}, whose address is {row['email']}"
        for row in people
        if row["users"] != [row["user_id"]] or row["email"] not in (None, f"{row['user_id']}@example.com")
    ]
    owner = {device: row["user_id"] for row in people for device in row["devices"] or ()}
    wrong += [
        f"{device.id} is of {owner[device.id]}, who never used it"
        for device in devices
        if owner[device.id] not in device.users
    ]
    events = await rows(
        database,
        """
        SELECT events.user_id, profiles.user_id AS told_of, events.anonymous_id AS device, count(*) AS number
        FROM events LEFT JOIN profiles ON profiles.id = profile_id
        WHERE events.user_id IS DISTINCT FROM profiles.user_id GROUP BY 1, 2, 3
        """,
    )
    wrong += [
        f"{row['number']} events of {row['user_id'] or row['device']} are of {row['told_of']}"
        for row in events
        if row["user_id"] is not None or row["told_of"] != owner[row["device"]]
    ]
    return wrong


@pytest.mark.prove
@pytest.mark.parametrize("users", [2, 8])
async def test_first_calls_of_many_users_from_one_device_at_once_never_make_them_one(
    database_url: str, users: int
) -> None:
    """Rounds over two API processes: identify, alias and track, of new and of known users."""
    print(f"seed {SEED}, {ROUNDS} rounds of {users}")  # noqa: T201
    rolls = random.Random(f"{SEED}/{users}")
    devices = [Device(f"a{number}") for number in range(ROUNDS)]
    async with clients(database_url) as reporting:
        for start in range(0, ROUNDS, AT_ONCE):
            await race(reporting, rolls, devices[start : start + AT_ONCE], users, "Cart Seen")
    async with Database(database_url, pool_size=1) as database:
        assert await merged(database, devices) == []


async def test_the_cart_of_one_is_never_mailed_to_another(harness: Harness, database_url: str) -> None:
    print(f"seed {SEED}, {MAILED} rounds of 3")  # noqa: T201
    rolls = random.Random(f"{SEED}/mailed")
    devices = [Device(f"a{number}") for number in range(MAILED)]
    await harness.run_campaign(CARTS, {"cart.liquid": CART})
    async with clients(database_url) as reporting:
        for device in devices:
            await race(reporting, rolls, [device], 3, "Cart Abandoned")
        await go_on(reporting, devices)
    # Some have abandoned a cart before they had an address.
    [sent] = await harness.until(
        "SELECT count(*) FILTER (WHERE messages.state = 'sent') AS mails FROM journeys LEFT JOIN messages "
        "ON messages.journey_id = journeys.id HAVING bool_and(journeys.state <> 'active')"
    )
    mails = await harness.inbox.wait_for(sent["mails"], PATIENCE)
    carts = [(str(mail.text).strip(), *mail.recipients) for mail in mails]
    assert len(carts) == len(set(carts)) >= 3 * MAILED
    assert [cart for cart, address in carts if address != f"{cart.rpartition('-')[0]}@example.com"] == []
