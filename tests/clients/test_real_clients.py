"""Real tracking clients, unmodified, over HTTP: every call is taken, one person gets a mail, and one does not.

Sources: segment-analytics-python and rudder-sdk-python from PyPI, @segment/analytics-node from npm.
"""

import asyncio
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.api.fakes import WRITE_KEY
from tests.api.live import api_process
from tests.databases import database_of
from tests.engine.campaigns import CART
from tests.harness import Harness, open_harness
from tests.servers import PostgresServer, TemporalServer

HERE = Path(__file__).parent


@dataclass(frozen=True)
class RealClient:
    """A client: the name of its library in the context of its events, and how its script is run."""

    library: str
    command: tuple[str, ...]
    # How it tells of a key that is refused: once, since repeating that would not help.
    refusals: tuple[tuple[str, str], ...]

    async def tell(self, url: str, key: str, prefix: str) -> list[tuple[str, str]]:
        """Tell the whole story; the failures that the client reported."""
        assert shutil.which(self.command[0]), "the tests of clients need Node.js 20 or newer"
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *(url, key, prefix),
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return [(kind, code) for kind, code in json.loads(output.splitlines()[-1])]


CLIENTS = {
    "segment-python": RealClient(
        "analytics-python", (sys.executable, str(HERE / "segment_python.py")), (("APIError", "unauthorized"),)
    ),
    "rudder-python": RealClient(
        "analytics-python", (sys.executable, str(HERE / "rudder_python.py")), (("APIError", "unauthorized"),)
    ),
    # One for each of the nine calls of its batch.
    "segment-node": RealClient(
        "@segment/analytics-node",
        ("node", str(HERE / "node" / "segment_node.mjs")),
        (("delivery_failure", "[401] Unauthorized"),) * 9,
    ),
}
CALLS = {"page": 1, "identify": 2, "alias": 1, "group": 1, "screen": 1, "track": 3}


# Campaigns that the calls start which CART does not listen for, and what starts them.
HEARD = {
    "viewed": "{page: Pricing, where: event.properties.tab == 2}",
    "basket": "{screen: Basket}",
    "joined": "{group: g-1, where: event.properties.name == 'Analytical Engines'}",
    "changed": "{changed: profile.traits.email}",
}


@dataclass(frozen=True)
class Deployment:
    """The address of an API process, and the rest of the deployment of its database."""

    url: str
    harness: Harness


@pytest.fixture(scope="module")
async def deployment(postgres: PostgresServer, migrated: str, temporal: TemporalServer) -> AsyncIterator[Deployment]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(database_of(postgres, migrated))
        harness = await stack.enter_async_context(open_harness(url, temporal))
        api = await stack.enter_async_context(api_process(url))
        await harness.run_campaign(CART)
        for key, entry in HEARD.items():
            await harness.run_campaign(f"key: {key}\nname: N\nentry: {entry}\nsteps: [{{id: rest, delay: 1d}}]\n")
        yield Deployment(api.url, harness)


@pytest.mark.takes_long
@pytest.mark.parametrize("name", CLIENTS)
async def test_every_call_is_taken_and_one_journey_mails(deployment: Deployment, name: str) -> None:
    client, harness = CLIENTS[name], deployment.harness
    assert await client.tell(deployment.url, WRITE_KEY, name) == []
    leaves, buys = f"{name}-leaves", f"{name}-buys"

    reported = "source <> 'sojourn' AND starts_with(COALESCE(user_id, anonymous_id), %s)"
    events = await harness.query(f"SELECT * FROM events WHERE {reported}", name)  # noqa: S608 - a constant
    assert Counter(event["type"] for event in events) == CALLS
    for event in events:
        assert event["context"]["library"]["name"] == client.library
        assert event["context"]["ip"] == "192.0.2.1"
        assert event["integrations"] == {"All": True}
    by_type: dict[str, dict[str, Any]] = {event["type"]: event for event in events}
    assert by_type["page"]["name"] == "Pricing"
    assert by_type["page"]["properties"]["tab"] == 2
    assert (by_type["screen"]["name"], by_type["screen"]["properties"]["tab"]) == ("Basket", 3)
    assert (by_type["group"]["group_id"], by_type["group"]["properties"]) == ("g-1", {"name": "Analytical Engines"})

    profiles = await harness.query("SELECT user_id, traits FROM profiles WHERE starts_with(user_id, %s)", name)
    known = {profile["user_id"]: profile["traits"] for profile in profiles}
    assert known.keys() == {leaves, buys}
    for user, traits in known.items():
        assert traits["email"] == f"{user}@example.com"
        assert traits["since"].startswith("2026-01-02T00:00:00")
    # The page of before the alias is theirs.
    assert (await harness.timeline(leaves))[0]["summary"] == "page Pricing"

    started = await harness.query(
        "SELECT DISTINCT campaign_key FROM journeys JOIN profiles ON profiles.id = profile_id "
        "WHERE starts_with(user_id, %s) AND campaign_key = ANY(%s)",
        *(name, list(HEARD)),
    )
    assert {row["campaign_key"] for row in started} == HEARD.keys()

    assert [item["reason"] for item in await harness.timeline(buys) if item["kind"] == "exit"] == ["exit_event"]
    handle = await harness.journey(leaves, "cart")
    await harness.skip(handle, minutes=30)
    assert await handle.result() == "completed"
    mails = [mail.recipients for mail in harness.inbox.messages if mail.recipients[0].startswith(name)]
    assert mails == [(f"{leaves}@example.com",)]


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_refused_key_is_told_once_and_not_repeated(deployment: Deployment, name: str) -> None:
    client = CLIENTS[name]
    assert await client.tell(deployment.url, "wrong", f"refused-{name}") == list(client.refusals)
    assert await deployment.harness.query("SELECT FROM events WHERE starts_with(user_id, 'refused-')") == []
