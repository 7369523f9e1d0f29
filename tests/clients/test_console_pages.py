"""Every page of the console in a browser, over a real API: signed in, light and dark, wide and narrow, by axe."""

import base64
import json
import os
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from api.app import create_app
from tests.api.fakes import ADMIN_KEY, SETTINGS
from tests.api.inboxes import serve
from tests.api.live import client_of
from tests.api.shop import Shop
from tests.clients.axe import find_faults
from tests.clients.devtools import DevTools, Session, devtools
from tests.databases import database_of
from tests.servers import PostgresServer

# A tracking client can report it, in whatever text it reports.
SCRIPT: Final = "<img src=x onerror=window.attacked=1><script>window.attacked=1</script>"
LOOKS: Final = [("light", 1280), ("dark", 390)]
ADDRESSES: Final = [
    "/campaigns",
    "/campaigns/welcome?step=rest",
    "/campaigns/welcome?tab=versions",
    "/campaigns/welcome?tab=document",
    "/journeys",
    "/journeys/{journey}",
    "/people",
    "/people/u-victim",
    "/people/u-victim?tab=profile",
    "/people/u-victim?tab=consent",
    "/people/u-victim?tab=segments",
    "/people/u-victim?tab=activity",
    "/segments",
    "/segments/hostile",
    "/life-cycle",
    "/surveys",
    "/deliverability",
    "/frequency-caps",
    "/data-plan",
    "/rejects",
    "/documents",
    "/documents/new",
    "/documents/frequency-caps",
    "/operations",
    "/reconciliations",
    "/keys",
    "/audit-log",
    "/no-such-page",
]
LOADED: Final = "document.querySelector('main h1, main .notice') && !document.querySelector('.skeleton')"
SHOTS: Final = os.environ.get("SOJOURN_SCREENSHOTS")


class Console:
    """The console of one deployment, in one browser."""

    def __init__(self, shop: Shop, url: str, tools: DevTools, journey: str) -> None:
        self.shop, self.url, self.tools, self.journey = shop, url, tools, journey

    async def page(self) -> Session:
        """A page of a person of their own."""
        page = await self.tools.page(await self.tools.person())
        await page.call("Runtime.enable")
        await page.call("Log.enable")
        return page

    async def log_in(self, page: Session, key: str = ADMIN_KEY) -> None:
        """Log in as a person does, by the form."""
        await page.open(f"{self.url}/console")
        await page.until("!!document.querySelector('input[name=key]')")
        await page.run("document.querySelector('input[name=key]').focus()")
        await page.call("Input.insertText", text=key)
        await page.run("document.querySelector('button[type=submit]').click()")

    async def show(self, page: Session, address: str) -> None:
        await page.open(f"{self.url}/console{address.format(journey=self.journey)}")
        await page.until(LOADED)


@pytest.fixture(scope="module")
async def console(
    postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Console]:
    async with database_of(postgres, migrated) as database_url, devtools(tmp_path_factory.mktemp("browser")) as tools:
        app = create_app(SETTINGS.model_copy(update={"database_url": SecretStr(database_url), "rate_limit_address": 0}))
        async with (
            app.router.lifespan_context(app),
            client_of(app, ADMIN_KEY) as operator,
            serve(app) as served,
        ):
            # Its port is not known before.
            app.state.console_origins = frozenset({served.url})
            shop = Shop(app, operator, database_url)
            await shop.open()
            await report_scripts(shop)
            [row] = await shop.query("SELECT id FROM journeys LIMIT 1")
            yield Console(shop, served.url, tools, str(row["id"]))


async def report_scripts(shop: Shop) -> None:
    """Report script in every text that is shown."""
    traits = {"name": SCRIPT, SCRIPT: SCRIPT, "list": [SCRIPT, {SCRIPT: SCRIPT}]}
    context = {
        "page": {"url": SCRIPT, "path": SCRIPT, "title": SCRIPT, "referrer": f"https://a.example/{SCRIPT}"},
        "campaign": {"name": SCRIPT, "source": SCRIPT},
        "device": {"id": SCRIPT, "model": SCRIPT},
        "app": {"name": SCRIPT, "version": SCRIPT},
        "os": {"name": SCRIPT, "version": SCRIPT},
    }
    for user in ("u-victim", SCRIPT):
        await shop.serve("identify", userId=user, traits=traits, context=context)
        await shop.serve("track", userId=user, event="Signed Up", properties={SCRIPT: SCRIPT}, context=context)
        await shop.serve("track", userId=user, event=SCRIPT, properties={SCRIPT: SCRIPT}, context=context)
        await shop.serve("page", userId=user, name=SCRIPT, properties={"url": SCRIPT, "title": SCRIPT})
        await shop.serve("screen", userId=user, name=SCRIPT)
        await shop.serve("group", userId=user, groupId=SCRIPT, traits=traits)
    segment = {"file": "hostile.yaml", "source": "key: hostile\nname: Hostile\nwhere: has(profile.traits.name)\n"}
    assert (await shop.operator.put("/v1/segments/hostile", json=segment)).is_success
    assert (await shop.serve("batch", batch=[{"type": SCRIPT, "userId": SCRIPT}])) is not None


def keep_screenshot(name: str, data: str) -> None:
    file = re.sub(r"\W+", "-", name.strip("/"))
    Path(SHOTS or ".", f"{file}.png").write_bytes(base64.b64decode(data))


def errors_of(page: Session) -> list[Any]:
    """Return what the page has thrown, and what its policy has refused."""
    return [
        one["params"]
        for one in page.events
        if one["method"] == "Runtime.exceptionThrown"
        or (one["method"] == "Log.entryAdded" and one["params"]["entry"]["source"] == "security")
    ]


@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_each_page_is_readable_and_takes_no_script(
    console: Console, subtests: pytest.Subtests, scheme: str, width: int
) -> None:
    page = await console.page()
    await page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await page.call(
        "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
    )
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    for address in ADDRESSES:
        with subtests.test(address):
            await console.show(page, address)
            await page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
            faults = await find_faults(page)
            if SHOTS:
                shot = await page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
                keep_screenshot(f"{address}-{scheme}-{width}", shot["data"])
            assert faults == []
            assert await page.run("document.documentElement.scrollWidth") <= width
            assert await page.run("document.querySelectorAll('.tabs [aria-current]').length") in (0, 1)
            assert not await page.run("window.attacked || document.querySelector('main img')")
    assert errors_of(page) == []


async def test_a_session_opens_by_a_key_and_ends(console: Console) -> None:
    page = await console.page()
    await console.log_in(page, "sj_wrong")
    await page.until("!!document.querySelector('[role=alert]')")
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    # No script reads the session.
    assert await page.run("document.cookie") == ""
    await page.run("[...document.querySelectorAll('button')].find(one => one.innerText === 'Sign out').click()")
    await page.until("!!document.querySelector('input[name=key]')")


async def test_a_campaign_is_paused_after_it_is_said_what_that_does(console: Console) -> None:
    page = await console.page()
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    click = "[...document.querySelectorAll({!r})].find(one => one.innerText === {!r}).click()"
    for act, state in (("Pause", "paused"), ("Resume", "running")):
        await page.until(f"[...document.querySelectorAll('tbody button')].some(one => one.innerText === '{act}')")
        await page.run(click.format("tbody button", act))
        assert "in flight" in await page.run("document.querySelector('dialog[open]').innerText")
        await page.run(click.format("dialog button", act))
        await page.until(f"document.querySelector('tbody .badge').innerText.includes('{state}')")
    log = (await console.shop.operator.get("/v1/audit-log?limit=10")).json()["entries"]
    assert {"campaign.pause", "campaign.resume"} <= {entry["action"] for entry in log}, json.dumps(log)
