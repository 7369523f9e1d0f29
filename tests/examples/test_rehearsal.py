"""The simulator and the real engine over the same events: campaigns of `examples/` on a whole stack, by one clock."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
import msgspec
import pytest

from cli.dev_stack import DevStack
from cli.documents import templates_beside
from domain.rehearsal.rulebook import Rulebook
from domain.sending.caps import CapRule
from runtime.embedded.forward import Forwarder
from runtime.temporal import connect
from tests.examples.generated import Call, generate_calls
from tests.examples.harness import EXAMPLES
from tests.examples.rehearsal import compare_with_engine, read_rulebook
from tests.proofs import rounds
from tests.servers import server_folder

CAMPAIGNS = ("abandoned-cart", "browse-abandonment", "win-back", "post-purchase")
# Those of which everything is simulated that generated people meet; the short form takes a few of them.
OTHERS = (
    "cart-by-push",
    "cart-by-text",
    "cart-by-whatsapp",
    "come-back",
    "demo-booking",
    "demo-call",
    "demo-invitation",
    "loyalty-tier",
    "onboarding",
    "price-drop",
    "pricing-help",
    "pricing-visits",
    "renewal",
    "second-purchase",
    "topic-ebook",
    "trial-ending",
    "weekly-report",
    "yearly-recap",
)[:: rounds(5, 1)]
# The receivers of webhooks are not there.
PROVIDERS = "providers: {calls: {kind: console, channel: webhook}}\n"
# How long is waited for everything that is under way, in parts after which people call again.
REST, PART = timedelta(days=45), timedelta(days=rounds(45, 9))
ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Auckland")


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("SOJOURN_"):
            monkeypatch.delenv(name)


class Shop:
    """A shop beside a running stack: what its people do is reported, and time passes."""

    def __init__(self, stack: DevStack, http: httpx.AsyncClient, forwarder: Forwarder) -> None:
        self.stack = stack
        self._http = http
        self._forwarder = forwarder

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        key = self.stack.settings.admin_key.get_secret_value()
        answer = await self._http.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def open(self) -> None:
        await self.admin("PUT", "/v1/providers", {"file": "providers.yaml", "source": PROVIDERS})
        for kind, name in (("frequency-caps", "caps/frequency-caps"), ("computed", "computed/computed")):
            await self.admin("PUT", f"/v1/{kind}", {"file": name, "source": (EXAMPLES / f"{name}.yaml").read_text()})
        for name in (*CAMPAIGNS, *OTHERS):
            file = EXAMPLES / f"{name}.yaml"
            body = {"file": file.name, "source": file.read_text(), "templates": templates_beside(file)}
            published = await self.admin("POST", "/v1/campaigns", body)
            await self.admin("POST", f"/v1/campaigns/{published['key']}/start")

    async def report(self, *calls: dict[str, Any]) -> None:
        key = self.stack.settings.write_key.get_secret_value()
        for call in calls:
            (await self._http.post("/v1/batch", json={"batch": [call]}, auth=(key, ""))).raise_for_status()

    async def passes(self, length: timedelta) -> None:
        async for moved in self._forwarder.forward(length):
            assert not moved.unsettled


@asynccontextmanager
async def opened_shop() -> AsyncIterator[Shop]:
    with server_folder() as folder:
        async with (
            DevStack(Path(folder) / ".sojourn", durable=False) as stack,
            httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
        ):
            client = await connect(stack.settings.temporal_address, stack.settings.temporal_namespace)
            shop = Shop(stack, http, Forwarder(stack.database, client))
            await shop.open()
            yield shop


def track(user: str, event: str, **properties: Any) -> dict[str, Any]:
    return {"type": "track", "userId": user, "event": event, "properties": properties}


def does_something(random: Random, user: str, day: int) -> list[dict[str, Any]]:
    """What somebody does at once, drawn."""
    order = f"{user}-{day}"
    match random.randrange(9):
        case 0 | 1:
            return [track(user, "Session Started"), track(user, "Product Viewed", name="A tent", price=80)]
        case 2:
            return [track(user, "Session Started"), track(user, "Product Viewed", name="A peg", price=2)]
        case 3 | 4:
            cart = {"cart_id": order, "value": random.choice([80, 130]), "checkout_url": "https://shop.example.com/c"}
            return [track(user, "Product Added"), track(user, "Cart Abandoned", **cart)]
        case 5:
            return [track(user, "Order Completed", order_id=order, cart_id=f"{user}-{day - 1}", value=20)]
        case 6:
            return [
                track(user, "Order Completed", order_id=order, cart_id=order, value=90),
                track(user, "Order Delivered", order_id=order),
            ]
        case 7:
            return [{"type": "identify", "userId": user, "traits": {"timezone": random.choice(ZONES)}}]
        case _:
            return [{"type": "identify", "userId": user, "traits": {"consent": {"email": random.random() < 0.5}}}]


@pytest.mark.takes_long
async def test_the_simulator_decides_as_the_engine() -> None:
    random, people, days = Random(19), rounds(6, 60), rounds(7, 14)
    others = list_generated(rounds(1, 9))
    known = people + len({call["userId"] for _, call in others})
    async with opened_shop() as shop:
        for number in range(people):
            traits = {"email": f"u{number}@example.com", "first_name": "Ada", "timezone": random.choice(ZONES)}
            await shop.report({"type": "identify", "userId": f"u{number}", "traits": traits})
        elapsed = timedelta()
        for day in range(days):
            await shop.report(*take_due(others, elapsed))
            for number in range(people):
                if random.random() < 0.8:
                    await shop.report(*does_something(random, f"u{number}", day))
            hours = timedelta(hours=random.choice([2, 7, 20, 24]))
            await shop.passes(hours)
            elapsed += hours
        for _ in range(REST.days // PART.days):
            await shop.report(*take_due(others, elapsed))
            await shop.passes(PART)
            elapsed += PART
        database, timezone = shop.stack.database, shop.stack.settings.timezone
        found = await compare_with_engine(database, timezone)
        assert not found.differences, "\n".join(found.differences)
        assert len(found.ties) <= known / 4
        assert found.furthest < timedelta(seconds=5)
        assert found.happened["entry"] >= rounds(20, 200)
        assert all(found.happened[what] for what in ("entry", "send", "message", "exit", "split", "branch"))
        for fault in (with_another_cap, without_windows, with_other_draws):
            faulty = fault(await read_rulebook(database, timezone))
            assert (await compare_with_engine(database, timezone, faulty)).differences, fault.__name__


def list_generated(each: int) -> list[tuple[timedelta, Call]]:
    """List the calls of so many people of each campaign, the first one first."""
    names = (*CAMPAIGNS, *OTHERS)
    calls = [
        call
        for place, name in enumerate(names)
        for call in generate_calls(name, range(place * each, (place + 1) * each))
    ]
    return sorted(calls, key=lambda one: one[0])


def take_due(calls: list[tuple[timedelta, Call]], elapsed: timedelta) -> list[Call]:
    """Take the first call of each person that is made by then: the engine takes its time for what it causes."""
    due = {str(call["userId"]): (after, call) for after, call in reversed(calls) if after <= elapsed}
    for one in due.values():
        calls.remove(one)
    return [call for _, call in due.values()]


def with_another_cap(rulebook: Rulebook) -> Rulebook:
    """A person has one message a month."""
    return replace(rulebook, caps=(CapRule("planted", 1, 30 * 86_400),))


def without_windows(rulebook: Rulebook) -> Rulebook:
    """Messages go at any hour."""
    changed = {
        place: msgspec.structs.replace(one, rules=msgspec.structs.replace(one.rules, send_window=None))
        for place, one in rulebook.campaigns.items()
    }
    return replace(rulebook, campaigns=changed)


def with_other_draws(rulebook: Rulebook) -> Rulebook:
    """The last arm of each split gets everyone."""
    changed = {}
    for place, one in rulebook.campaigns.items():
        splits = {
            step: msgspec.structs.replace(rule, arms=dict.fromkeys(rule.arms, 0) | {list(rule.arms)[-1]: 1})
            for step, rule in one.rules.splits.items()
        }
        changed[place] = msgspec.structs.replace(one, rules=msgspec.structs.replace(one.rules, splits=splits))
    return replace(rulebook, campaigns=changed)
