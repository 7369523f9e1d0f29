"""A page reports by itself what some rule in force asks for, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import client_of, open_live

SHOP = "https://shop.example"
SETTINGS = "/v1/client/settings"
TRIGGERS = (Path(__file__).parents[2] / "examples" / "page-triggers" / "page-triggers.yaml").read_text()
HELP = """
key: pricing-help
name: Pricing help
entry: {event: Pricing Studied}
exit: [{event: Cart Being Left}]
steps: [{id: rest, delay: 1h}]
"""
WELCOME = """
key: welcome
name: Welcome
entry: {event: Signed Up}
steps: [{id: rest, delay: 1h}]
"""


class Page:
    """A page of the shop with its browser key, and its operator."""

    def __init__(self, app: FastAPI, operator: httpx.AsyncClient, key: str) -> None:
        self._app, self.operator, self._key = app, operator, key

    async def get(self, **headers: str) -> httpx.Response:
        known = {"Origin": SHOP, "X-Write-Key": self._key, **headers}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(self._app), base_url="http://sojourn.test"
        ) as client:
            return await client.get(SETTINGS, headers=known)

    async def events(self) -> set[str]:
        answer = await self.get()
        assert answer.status_code == 200, answer.text
        return {one["event"] for one in answer.json()["triggers"]}

    async def put(self, kind: str, source: str) -> list[dict[str, Any]]:
        """Plan and apply a document; the plan's warnings."""
        body = {"file": f"{kind}.yaml", "source": source}
        planned = await self.operator.post(f"/v1/{kind}/plan", json=body)
        assert planned.is_success, planned.text
        assert (await self.operator.put(f"/v1/{kind}", json=body)).is_success
        warnings: list[dict[str, Any]] = planned.json()["warnings"]
        return warnings

    async def run(self, source: str) -> None:
        answer = await self.operator.post("/v1/campaigns", json={"file": "a.yaml", "source": source, "templates": {}})
        assert answer.is_success, answer.text
        assert (await self.operator.post(f"/v1/campaigns/{answer.json()['key']}/start")).is_success


@pytest.fixture
async def page(database_url: str) -> AsyncIterator[Page]:
    async with open_live(database_url, rate_limit_address=0) as app, client_of(app, ADMIN_KEY) as operator:
        made = await operator.post("/v1/keys", json={"name": "shop", "kind": "browser", "origins": [SHOP]})
        page = Page(app, operator, made.json()["token"])
        warnings = await page.put("page-triggers", TRIGGERS)
        assert len(warnings) == 5
        assert "no campaign and no computed trait names `Pricing Studied`" in warnings[0]["message"]
        yield page


async def test_a_page_is_asked_for_what_a_campaign_or_a_trait_names(page: Page) -> None:
    assert await page.events() == set()
    # A trait of any activity names no event.
    await page.put("computed", "computed:\n  acts: {count: '*', within: 7d}\n")
    assert await page.events() == set()
    await page.run(HELP)
    assert await page.events() == {"Pricing Studied", "Cart Being Left"}
    await page.put("computed", "computed:\n  articles: {count: Article Read}\n")
    assert await page.events() == {"Pricing Studied", "Cart Being Left", "Article Read"}
    assert (await page.operator.post("/v1/campaigns/pricing-help/stop", json={"mode": "exit"})).is_success
    # No one enters any more; journeys that are still ending hear of its exit.
    assert await page.events() == {"Article Read", "Cart Being Left"}
    await page.put("computed", "computed: {}\n")
    assert await page.events() == {"Cart Being Left"}


async def test_an_answer_is_kept_by_the_page_and_asked_for_anew(page: Page) -> None:
    await page.run(HELP)
    first = await page.get()
    assert first.json()["triggers"][0] == {
        **{"event": "Pricing Studied", "kind": "dwell", "where": ["/pricing"], "element": "#plans", "seconds": 5},
        **{"percent": None, "once_per": "session", "properties": {}},
    }
    assert first.json()["between"] == 30
    assert first.headers["Cache-Control"] == "private, max-age=30"
    assert first.headers["Access-Control-Allow-Origin"] == SHOP
    # Another campaign changes nothing that a page is told.
    await page.run(WELCOME)
    again = await page.get(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    await page.put("page-triggers", "triggers: []\n")
    assert (await page.get(**{"If-None-Match": first.headers["ETag"]})).json()["triggers"] == []


async def test_only_pages_of_the_key_are_answered(page: Page) -> None:
    # A page may read why it is refused, so that its script rests.
    elsewhere = await page.get(Origin="https://other.example")
    assert elsewhere.status_code == 403
    assert elsewhere.headers["Access-Control-Allow-Origin"] == "https://other.example"
    assert (await page.get(**{"X-Write-Key": WRITE_KEY})).status_code == 403
    assert (await page.get(**{"X-Write-Key": "sj_unknown"})).status_code == 401
    assert (await page.get(**{"X-Write-Key": ""})).status_code == 401


async def test_a_campaign_on_an_event_of_pages_is_not_warned_of(page: Page) -> None:
    async with client_of(page._app, WRITE_KEY) as server:
        assert (await server.post("/v1/track", json={"userId": "ada", "event": "Signed Up"})).is_success
    body = {"file": "a.yaml", "source": HELP.replace("Cart Being Left", "Cart Been Left"), "templates": {}}
    planned = await page.operator.post("/v1/campaigns/plan", json=body)
    assert "Pricing Studied" not in planned.text
