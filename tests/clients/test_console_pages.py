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
from tests.clients import console_numbers
from tests.clients.axe import find_faults
from tests.clients.devtools import DevTools, Session, devtools
from tests.databases import database_of
from tests.harness import PATIENCE, looks
from tests.proofs import IS_LONG
from tests.servers import PostgresServer

# A tracking client can report it, in whatever text it reports.
SCRIPT: Final = "<img src=x onerror=window.attacked=1><script>window.attacked=1</script>"
LOOKS: Final = [("light", 1280), ("dark", 390), *([("dark", 1280), ("light", 390)] if IS_LONG else [])]
ADDRESSES: Final = [
    "/campaigns",
    "/campaigns/welcome?step=hello",
    "/campaigns/welcome?version=2&compare=1&step=pause",
    "/campaigns/welcome?tab=versions",
    "/campaigns/welcome?tab=document",
    "/journeys",
    "/journeys/{journey}",
    "/approvals",
    "/people",
    "/people/u-victim",
    "/people/u-victim?tab=profile",
    "/people/u-victim?tab=consent",
    "/people/u-victim?tab=segments",
    "/people/u-victim?tab=activity",
    "/people/u-victim?tab=what-if",
    "/segments",
    "/segments/hostile",
    "/segments/hostile?tab=document",
    "/life-cycle",
    "/surveys",
    "/messages",
    "/non-sends",
    "/non-sends?reason=capped&campaign=welcome",
    "/deliverability",
    "/frequency-caps",
    "/live-events",
    "/sources",
    "/data-plan",
    "/rejects",
    "/documents",
    "/documents/new",
    "/documents/new-segment",
    "/documents/frequency-caps",
    "/operations",
    "/reconciliations",
    "/keys",
    "/sessions",
    "/audit-log",
    "/no-such-page",
]
# Those with personal fields.
MASKED: Final = ["/people", *(each for each in ADDRESSES if each.startswith(("/people/", "/journeys/"))), "/rejects"]
LOADED: Final = "document.querySelector('main h1, main .notice') && !document.querySelector('.skeleton')"
SHOTS: Final = os.environ.get("SOJOURN_SCREENSHOTS")


class Console:
    """The console of one deployment, in one browser."""

    def __init__(self, shop: Shop, url: str, tools: DevTools, journey: str, persons: tuple[str, str]) -> None:
        self.shop, self.url, self.tools, self.journey = shop, url, tools, journey
        # The keys of the person who has asked for an approval, and of another one.
        self.asking, self.another = persons

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
        settings = {
            "database_url": SecretStr(database_url),
            "rate_limit_address": 0,
            "approval_above": console_numbers.APPROVAL_ABOVE,
        }
        app = create_app(SETTINGS.model_copy(update=settings))
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
            persons = await console_numbers.fill(shop)
            yield Console(shop, served.url, tools, str(row["id"]), persons)


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


@pytest.mark.prove
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


async def open_page(console: Console, address: str, key: str = ADMIN_KEY) -> Session:
    """A page at an address, logged in."""
    page = await console.page()
    await console.log_in(page, key)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    await console.show(page, address)
    return page


@pytest.mark.takes_long
async def test_a_viewer_is_shown_what_is_masked_and_how_to_see_it(console: Console, subtests: pytest.Subtests) -> None:
    made = await console.shop.operator.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]})
    page = await open_page(console, "/people", made.json()["token"])
    for address in MASKED:
        with subtests.test(address):
            await console.show(page, address)
            text = await page.run("document.querySelector('main').innerText")
            assert "they need the scope people" in text
            assert await find_faults(page) == []
            if SHOTS:
                shot = await page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
                keep_screenshot(f"{address}-masked", shot["data"])
    await console.show(page, "/people/u-victim?tab=profile")
    assert ["list", "masked"] in [row[:2] for row in await read_rows(page, "Traits")]
    # What cannot be masked is refused, by the name of the scope.
    await console.show(page, "/people?address=ada")
    assert "people" in await page.run("document.querySelector('main [role=alert], main .notice').innerText")
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
    for act, state in (("Pause", "paused"), ("Resume", "running")):
        await click(page, "tbody button", act)
        assert "in flight" in await page.run("document.querySelector('dialog[open]').innerText")
        await click(page, "dialog button", act)
        await page.until(
            f"[...document.querySelectorAll('tbody .badge')].some(one => one.innerText.includes('{state}'))"
        )
    log = (await console.shop.operator.get("/v1/audit-log?limit=10")).json()["entries"]
    assert {"campaign.pause", "campaign.resume"} <= {entry["action"] for entry in log}, json.dumps(log)


async def test_why_people_got_nothing_is_answered_in_three_clicks(console: Console) -> None:
    page = await open_page(console, "/non-sends")
    assert ["no consent", "6 people", "6"] in await read_rows(page, "People who got nothing, by reason")
    await click(page, "tbody th a", "no consent")
    assert await read_rows(page, "People who got nothing, by campaign") == [["welcome", "6 people", "6"]]
    await click(page, "tbody th a", "welcome")
    assert await read_rows(page, "People who got nothing, by step") == [["hello", "6 people", "6"]]
    people = [row[0] for row in await read_rows(page, "People who got nothing")]
    assert len(people) == 6
    await click(page, "tbody th a", people[0])
    await page.until("location.pathname.includes('/console/people/') && !!document.querySelector('.timeline')")
    # Its address alone leads there as well; entries have no step.
    await console.show(page, "/non-sends?campaign=welcome&step=%28none%29&by=reason")
    found = await read_rows(page, "People who got nothing, by reason")
    assert {row[0] for row in found} == {"already in", "history", "too many journeys"}


async def test_the_graph_shows_what_changes_and_leads_to_the_people(console: Console) -> None:
    page = await open_page(console, "/campaigns/welcome?version=2&compare=1")
    await page.call("Network.enable")
    await page.until("!!document.querySelector('.step.added') && !!document.querySelector('.step.changed')")
    assert await page.run("document.querySelectorAll('.react-flow__edge.removed').length") == 1
    # Nothing has changed: what is asked for again has no body.
    async for is_last in looks(PATIENCE):
        answers = [one["params"] for one in page.events if one["method"] == "Network.responseReceivedExtraInfo"]
        if any(one["statusCode"] == 304 for one in answers):
            break
        assert not is_last, "no answer was 304"
    await console.show(page, "/campaigns/welcome")
    await click(page, ".react-flow__node a", "2 capped")
    assert {(row[1].strip("▲\n "), row[3]) for row in await read_rows(page, "People who got nothing")} == {
        ("capped", "hello")
    }


async def test_another_person_approves_after_it_is_said_what_that_does(console: Console) -> None:
    page = await open_page(console, "/approvals", console.asking)
    await page.until("document.querySelector('a[href$=\"/approvals\"] .badge')?.innerText.includes('1')")
    await click(page, "tbody button", "Approve")
    said = await page.run("document.querySelector('dialog[open]').innerText")
    assert "60 people" in said
    assert "in the name of Ada" in said
    await click(page, "dialog button", "Approve")
    await page.until("document.querySelector('dialog [role=alert]')?.innerText.includes('another person')")
    page = await open_page(console, "/approvals", console.another)
    await click(page, "tbody button", "Approve")
    await click(page, "dialog button", "Approve")
    await page.until("document.querySelector('tbody .badge')?.innerText.includes('approved')")
    await page.until("!document.querySelector('a[href$=\"/approvals\"] .badge')")
    assert (await console.shop.operator.get("/v1/campaigns/news")).json()["state"] == "running"


async def test_live_events_show_what_comes_and_what_it_does(console: Console) -> None:
    page = await open_page(console, "/live-events?user=u-live")
    await page.until("document.querySelector('.badge')?.innerText.includes('live')")
    await console.shop.serve("track", userId="u-live", event="Signed Up", properties={SCRIPT: SCRIPT})
    await console.shop.serve("track", userId="u-other", event="Signed Up")
    await page.until("!!document.querySelector('tbody .badge')")
    await console.shop.serve("track", userId="u-live", event=SCRIPT)
    await page.until("document.querySelectorAll('tbody tr').length === 2")
    [script, entered] = await read_rows(page, "Live events")
    assert (script[0], script[4]) == (SCRIPT, "nothing")
    assert (entered[0], entered[2]) == ("Signed Up", "u-live")
    assert "entered" in entered[4]
    assert "welcome" in entered[4]
    if SHOTS:
        shot = await page.call("Page.captureScreenshot", format="png")
        keep_screenshot("live-events-with-events", shot["data"])
    assert not await page.run("window.attacked")


async def test_a_person_page_says_what_an_event_would_do(console: Console) -> None:
    await console.shop.serve("track", userId="u-asked", event="Signed Up")
    page = await open_page(console, "/people/u-asked?tab=what-if")
    await page.run("document.querySelector('input[name=event]').focus()")
    await page.call("Input.insertText", text="Signed Up")
    await page.run("document.querySelector('textarea[name=properties]').focus()")
    await page.call("Input.insertText", text="[]")
    await click(page, "form button", "Ask")
    await page.until("!!document.querySelector('form [role=alert]')")
    await page.run("document.querySelector('textarea[name=properties]').select()")
    await page.call("Input.insertText", text='{"value": 5}')
    await click(page, "form button", "Ask")
    await page.until("!!document.querySelector('tbody .badge')")
    rows = await read_rows(page, "Effects of the event")
    assert [row[0] for row in rows if "refused" in row[1]] == ["welcome"]
    assert "Already in" in rows[0][3]
    assert await find_faults(page) == []
    if SHOTS:
        shot = await page.call("Page.captureScreenshot", format="png")
        keep_screenshot("what-if-answered", shot["data"])
