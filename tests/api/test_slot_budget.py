"""How long a page waits for its slots, and whose look-ups wait for those of others."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from api.client.slots import BUDGET, KEPT_FOR_SERVERS, MAX_LOOK_UPS, LookUpPlaces, SlotMessages, find_in_time
from application.page_inboxes import PageInboxes
from domain.people.identity import Identity
from tests.api.live import client_of
from tests.api.shop import open_shop
from tests.virtual_time import run_virtually

DOCS = Path(__file__).parents[2] / "docs"
# A loop that is woken a millisecond late has kept its time.
EXACT = pytest.approx(BUDGET, abs=0.001)
HERO: SlotMessages = {"hero": None}


def answering_after(seconds: float) -> Callable[[], Coroutine[Any, Any, SlotMessages]]:
    async def find() -> SlotMessages:
        await asyncio.sleep(seconds)
        return HERO

    return find


def test_the_budget_is_the_documented_one() -> None:
    [row] = [line for line in (DOCS / "api.md").read_text().splitlines() if "`GET /v1/client/slots" in line]
    assert f"within {BUDGET * 1_000:g} ms" in row
    assert (MAX_LOOK_UPS, KEPT_FOR_SERVERS) == (4, 2)
    assert "looks up four at a time, and pages, whose key anyone has, take half of these at most" in row


@pytest.mark.parametrize(("seconds", "is_in_time"), [(0, True), (BUDGET - 0.001, True), (BUDGET + 0.001, False)])
def test_a_page_waits_for_its_budget_and_no_longer(seconds: float, is_in_time: bool) -> None:
    async def work() -> None:
        found = await find_in_time(LookUpPlaces().take(is_page=True), answering_after(seconds))
        assert found == (HERO if is_in_time else None)

    assert run_virtually(work()) == pytest.approx(min(seconds, BUDGET), abs=1e-6)


def test_a_read_that_never_answers_takes_the_budget_of_its_page() -> None:
    async def work() -> None:
        assert await find_in_time(LookUpPlaces().take(is_page=True), answering_after(3_600)) is None

    assert run_virtually(work()) == EXACT


def test_the_wait_for_a_place_is_of_the_same_budget() -> None:
    async def work() -> None:
        places = LookUpPlaces()
        for _ in range(MAX_LOOK_UPS - KEPT_FOR_SERVERS):
            task = asyncio.create_task(find_in_time(places.take(is_page=True), answering_after(BUDGET * 0.6)))
        await asyncio.sleep(0)
        # It has a place after three fifths, and the others of its budget are too little.
        assert await find_in_time(places.take(is_page=True), answering_after(BUDGET * 0.6)) is None
        assert await task == HERO

    assert run_virtually(work()) == EXACT


def test_a_late_look_up_keeps_its_place_until_it_ends() -> None:
    async def work() -> None:
        places = LookUpPlaces()
        with ExitStack() as others:
            for _ in range(MAX_LOOK_UPS - KEPT_FOR_SERVERS - 1):
                others.enter_context(await places.take(is_page=True))
            assert await find_in_time(places.take(is_page=True), answering_after(1)) is None
            assert await find_in_time(places.take(is_page=True), answering_after(0)) is None
            await asyncio.sleep(1)
            assert await find_in_time(places.take(is_page=True), answering_after(0)) == HERO

    run_virtually(work())


def test_a_server_has_a_place_whatever_pages_ask() -> None:
    async def work() -> None:
        places = LookUpPlaces()
        pages = [find_in_time(places.take(is_page=True), answering_after(3_600)) for _ in range(100)]
        assert await asyncio.gather(*pages) == [None] * 100
        for _ in range(KEPT_FOR_SERVERS):
            assert await find_in_time(places.take(is_page=False), answering_after(0)) == HERO
        # One that waits in vain has taken nothing.
        async with asyncio.timeout(1), AsyncExitStack() as held:
            for _ in range(KEPT_FOR_SERVERS):
                held.enter_context(await places.take(is_page=False))

    run_virtually(work())


async def test_pages_leave_places_to_servers_that_render(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Identity] = []

    async def read_for_ever(_: PageInboxes, person: Identity, _names: list[str]) -> SlotMessages:
        begun.append(person)
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(PageInboxes, "read_slots", read_for_ever)
    async with open_shop(database_url) as shop:
        made = await shop.operator.post("/v1/keys", json={"name": "renderer", "scopes": ["people"]})
        # As strangers do, with the public key and any id.
        asked = (shop.ask("GET", "slots?names=hero", anonymous_id=f"a-{number}") for number in range(20))
        assert {one.headers["sojourn-slots"] for one in await asyncio.gather(*asked)} == {"timeout"}
        assert [one.kind for one in begun] == ["anonymous"] * (MAX_LOOK_UPS - KEPT_FOR_SERVERS)
        async with client_of(shop.app, made.json()["token"]) as server:
            for number in range(KEPT_FOR_SERVERS + 1):
                params = {"names": "hero", "user_id": f"u-{number}"}
                answer = await server.get("/v1/client/slots", params=params)
                assert (answer.json(), answer.headers["sojourn-slots"]) == ({"slots": {"hero": None}}, "timeout")
        assert [one.value for one in begun[-KEPT_FOR_SERVERS:]] == [f"u-{number}" for number in range(KEPT_FOR_SERVERS)]
