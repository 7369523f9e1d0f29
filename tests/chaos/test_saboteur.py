"""Troubles of the receiver of webhooks that come faster than anybody calls it, as on a slow machine."""

import asyncio
from types import SimpleNamespace
from typing import Any

import httpx

from tests.chaos.faults import Fault, Kind
from tests.chaos.providers import HookProvider, Log
from tests.chaos.saboteur import Saboteur
from tests.harness import PATIENCE, looks

BODY = {"campaign": "canary", "user": "c1", "ref": "c1"}


class Silent:
    """A client whose events have no journey yet."""

    async def report(self, *_: Any) -> None:
        """Report nothing."""


async def test_each_trouble_lasts_until_somebody_has_met_it() -> None:
    hook = HookProvider(Log())
    await hook.start()
    stack: Any = SimpleNamespace(hook=hook, postgres=SimpleNamespace(proxy=None))
    client: Any = Silent()
    saboteur = Saboteur(stack, client, [])

    async def harm(kind: Kind) -> None:
        async with saboteur._harm(Fault(0, kind, 0, 0)):
            pass

    async with httpx.AsyncClient() as http, asyncio.TaskGroup() as harming:
        for kind in ("hook-500", "hook-429"):
            harming.create_task(harm(kind))
        for mode, status in (("500", 500), ("429", 429), ("well", 200)):
            async for is_last in looks(PATIENCE):
                if hook.mode == mode:
                    break
                assert not is_last, (mode, hook.mode)
            answer = await http.post(hook.url, headers={"Idempotency-Key": "k"}, json={"data": BODY})
            assert answer.status_code == status
    await hook.stop()
    assert [arrival.effect for arrival in hook.log.arrivals] == ["none", "refused", "done"]
