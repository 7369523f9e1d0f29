"""The console of a deployment, whose tracking clients have reported script wherever they can."""

import base64
import json
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

from api.app import create_app
from tests.api.fakes import ADMIN_KEY, SETTINGS
from tests.api.inboxes import serve
from tests.api.live import client_of
from tests.api.shop import Shop
from tests.clients import console_numbers
from tests.clients.axe import find_faults
from tests.clients.devtools import DevTools, Session, devtools
from tests.databases import database_of
from tests.servers import PostgresServer

# A tracking client can report it, in whatever text it reports.
SCRIPT: Final = "<img src=x onerror=window.attacked=1><script>window.attacked=1</script>"
LOADED: Final = "document.querySelector('main h1, main .notice') && !document.querySelector('.skeleton')"
# The router has rendered the address.
ARRIVED: Final = (
    "__TSR_ROUTER__.state.status === 'idle' && "
    "__TSR_ROUTER__.state.resolvedLocation.publicHref === location.pathname + location.search"
)
SHOTS: Final = os.environ.get("SOJOURN_SCREENSHOTS")


class Console:
    """The console of one deployment, in one browser."""

    def __init__(self, shop: Shop, url: str, tools: DevTools) -> None:
        self.shop, self.url, self.tools = shop, url, tools
        self.journey = ""
        # The keys of the person who has asked for an approval, and of another one.
        self.asking = self.another = ""

    async def fill(self) -> None:
        """Give every page something to show."""
        await self.shop.open()
        await report_scripts(self.shop)
        self.asking, self.another = await console_numbers.fill(self.shop)
        [row] = await self.shop.query("SELECT id FROM journeys WHERE status = 'waiting' LIMIT 1")
        self.journey = str(row["id"])

    async def page(self, scheme: str = "light", width: int = 1280) -> Session:
        """A page of a person of their own."""
        page = await self.tools.page(await self.tools.person())
        for domain in ("Runtime", "Log", "Network"):
            await page.call(f"{domain}.enable")
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            # A skeleton pulses without an end.
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await page.call("Emulation.setEmulatedMedia", features=features)
        await page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 500
        )
        return page

    async def log_in(self, page: Session, key: str = ADMIN_KEY) -> None:
        """Log in as a person does, by the form."""
        await page.open(f"{self.url}/console")
        await page.until("!!document.querySelector('input[name=key]')")
        await page.run("document.querySelector('input[name=key]').focus()")
        await page.call("Input.insertText", text=key)
        await page.run("document.querySelector('button[type=submit]').click()")

    async def open(self, key: str = ADMIN_KEY, scheme: str = "light", width: int = 1280) -> Session:
        """A page that is logged in."""
        page = await self.page(scheme, width)
        await self.log_in(page, key)
        await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
        return page

    async def show(self, page: Session, address: str) -> None:
        await page.open(f"{self.url}/console{address.format(journey=self.journey)}")
        await page.until(LOADED)

    async def move(self, page: Session, address: str) -> None:
        """Show another address as a link does: without loading the console anew."""
        target = json.dumps(f"/console{address.format(journey=self.journey)}")
        await page.run(f"history.pushState(null, '', {target}); dispatchEvent(new PopStateEvent('popstate'))")
        await page.until(f"{ARRIVED} && {LOADED}")


@asynccontextmanager
async def open_console(database_url: str, tools: DevTools) -> AsyncIterator[Console]:
    settings = {
        "database_url": SecretStr(database_url),
        "rate_limit_address": 0,
        "approval_above": console_numbers.APPROVAL_ABOVE,
    }
    app = create_app(SETTINGS.model_copy(update=settings))
    async with app.router.lifespan_context(app), client_of(app, ADMIN_KEY) as operator, serve(app) as served:
        # Its port is not known before.
        app.state.console_origins = frozenset({served.url})
        yield Console(Shop(app, operator, database_url), served.url, tools)


@asynccontextmanager
async def open_own_console(postgres: PostgresServer, migrated: str, folder: Path) -> AsyncIterator[Console]:
    """The console of a deployment of its own, and a browser."""
    async with (
        database_of(postgres, migrated) as url,
        devtools(folder) as tools,
        open_console(url, tools) as console,
    ):
        yield console


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


async def look(page: Session, name: str) -> None:
    """See that a page is readable, fits its window and runs no script of others; keep a picture if asked to."""
    faults = await find_faults(page)
    if SHOTS:
        shot = await page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        keep_screenshot(SHOTS, name, shot["data"])
    assert faults == []
    assert await page.run("document.documentElement.scrollWidth <= innerWidth")
    assert await page.run("document.querySelectorAll('.tabs [aria-current]').length") in (0, 1)
    assert not await page.run("!!(window.attacked || document.querySelector('img[onerror]'))")


def keep_screenshot(folder: str, name: str, data: str) -> None:
    file = re.sub(r"\W+", "-", name.strip("/"))
    Path(folder, f"{file}.png").write_bytes(base64.b64decode(data))


async def click(page: Session, selector: str, text: str) -> None:
    """Click the first element that has a text, once it is there."""
    found = f"[...document.querySelectorAll({selector!r})].find(one => one.textContent.includes({text!r}))"
    await page.until(f"!!{found}")
    await page.run(f"{found}.dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))")


async def read_rows(page: Session, caption: str) -> list[list[str]]:
    """The texts of a table, row by row, once it is there."""
    table = f"[...document.querySelectorAll('table')].find(one => one.caption?.innerText === {caption!r})"
    cells = "row => [...row.cells].map(cell => cell.innerText.trim())"
    rows: list[list[str]] = await page.until(f"{table} && [...{table}.tBodies[0].rows].map({cells})")
    return rows


def errors_of(page: Session) -> list[Any]:
    """Return what the page has thrown, and what its policy has refused."""
    return [
        one["params"]
        for one in page.events
        if one["method"] == "Runtime.exceptionThrown"
        or (one["method"] == "Log.entryAdded" and one["params"]["entry"]["source"] == "security")
    ]
