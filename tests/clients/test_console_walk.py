"""A walk over every page, dialog and state of the console: light and dark, wide and narrow, by axe."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tests.api.live import client_of
from tests.clients import console_numbers
from tests.clients.console_site import Console, click, errors_of, look, open_own_console, read_rows
from tests.proofs import IS_LONG
from tests.servers import PostgresServer

LOOKS: Final = [("light", 1280), ("dark", 390), *([("dark", 1280), ("light", 390)] if IS_LONG else [])]
NARROW: Final = LOOKS if IS_LONG else LOOKS[1:2]
ADDRESSES: Final = [
    "/campaigns",
    "/campaigns/welcome?step=hello",
    "/campaigns/welcome?version=2&compare=1&step=pause",
    "/campaigns/welcome?tab=versions",
    "/campaigns/welcome?tab=document",
    "/journeys",
    "/journeys?campaign=welcome",
    "/journeys/{journey}",
    "/approvals",
    "/backtests",
    "/backtests/none",
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
    "/messages?campaign=welcome&by=step&state=reserved%2Csending",
    "/messages?state=lost",
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
    # Refusals: nothing there, and filters that make no sense.
    "/campaigns/none",
    "/journeys/none",
    "/people/nobody",
    "/segments/none",
    "/segments?where=1+%2B",
    "/journeys?version=x",
]
# Those with personal fields.
MASKED: Final = [
    "/people",
    *(each for each in ADDRESSES if each.startswith(("/people/u", "/journeys/{"))),
    "/rejects",
    "/non-sends",
    "/messages",
]
# What a session of a viewer is refused as a whole.
REFUSED: Final = {"/people?address=ada": "people", "/keys": "admin", "/sessions": "admin", "/audit-log": "admin"}
EMPTY: Final = [
    "/campaigns",
    "/journeys",
    "/approvals",
    "/backtests",
    "/people",
    "/segments",
    "/life-cycle",
    "/surveys",
    "/messages",
    "/non-sends",
    "/deliverability",
    "/frequency-caps",
    "/live-events",
    "/data-plan",
    "/rejects",
    "/documents",
    "/operations",
    "/reconciliations",
    "/keys",
]
# An address, and the button that opens a dialog there.
DIALOGS: Final = [
    ("/campaigns/welcome", "Pause"),
    ("/campaigns/welcome", "Stop"),
    ("/campaigns/winback", "Resume"),
    ("/campaigns/news", "Start"),
    ("/campaigns/welcome?tab=document", "Send a test"),
    ("/campaigns/welcome?tab=document", "Backtest this"),
    ("/backtests", "New backtest"),
    ("/documents/new", "Add template"),
    ("/journeys/{journey}", "Skip wait"),
    ("/journeys/{journey}", "End"),
    ("/journeys?campaign=welcome", "Skip waits"),
    ("/journeys?campaign=welcome", "End journeys"),
    ("/people/u-victim?tab=consent", "Lift"),
    ("/approvals", "Approve"),
    ("/approvals", "Reject"),
    ("/deliverability", "Resume"),
    ("/operations", "Cancel"),
    ("/reconciliations", "Reconcile"),
    ("/keys", "New key"),
    ("/keys", "Revoke"),
    ("/sessions", "End"),
]
HELP: Final = "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '?', bubbles: true }))"
OPEN: Final = "document.querySelector('dialog[open]') && !document.querySelector('dialog .skeleton')"
CLOSED: Final = "!document.querySelector('dialog[open]')"
FITS: Final = "one => one.scrollWidth <= one.clientWidth"
SIZES: Final = """
Object.fromEntries(performance.getEntriesByType("resource").map(({ name, transferSize }) => [name, transferSize]))
"""
# Compressed, with the scripts and styles of the page of campaigns.
MOST_FIRST_BYTES: Final = 150_000
MOST_PAINT_MILLISECONDS: Final = 1000
MAIN_CONTENT: Final = "document.querySelector('main').textContent"
MAIN: Final = "document.querySelector('main').innerText"


@pytest.fixture(scope="module")
async def empty(
    postgres: PostgresServer, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Console]:
    """The console of a deployment that nobody has used yet."""
    async with open_own_console(postgres, migrated, tmp_path_factory.mktemp("browser")) as console:
        yield console


@pytest.mark.prove
@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
async def test_each_page_is_readable_and_takes_no_script(
    console: Console, subtests: pytest.Subtests, scheme: str, width: int
) -> None:
    page = await console.open(scheme=scheme, width=width)
    for address in ADDRESSES:
        with subtests.test(address):
            if (scheme, width) == LOOKS[0]:
                await console.show(page, address)
            else:
                await console.move(page, address)
            await page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
            await look(page, f"{address}-{scheme}-{width}")
    assert errors_of(page) == []


@pytest.mark.prove
@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), NARROW)
async def test_each_dialog_is_readable(console: Console, subtests: pytest.Subtests, scheme: str, width: int) -> None:
    page = await console.open(scheme=scheme, width=width)
    for address, button in DIALOGS:
        with subtests.test(f"{address} {button}"):
            await console.show(page, address)
            await click(page, "main button:not(:disabled)", button)
            await page.until(OPEN)
            await look(page, f"dialog-{address}-{button}-{scheme}-{width}")
            assert await page.run(f"({FITS})(document.querySelector('dialog'))")
    await console.show(page, "/campaigns")
    await page.run(HELP)
    await page.until(OPEN)
    await look(page, f"dialog-help-{scheme}-{width}")
    await click(page, "dialog button", "Close")
    await page.until(CLOSED)
    if width < 500:
        await click(page, "button", "Menu")
        await page.until("!!document.querySelector('.side[data-open]')")
        await look(page, f"menu-{scheme}-{width}")
    assert errors_of(page) == []


@pytest.mark.takes_long
async def test_a_viewer_is_shown_what_is_masked_and_how_to_see_it(console: Console, subtests: pytest.Subtests) -> None:
    made = await console.shop.operator.post("/v1/keys", json={"name": "viewer", "scopes": ["read"]})
    operator = await console.open()
    await console.show(operator, "/people/u-victim")
    # A value that was not there before is not one that is masked.
    assert "asked us" in (told := await operator.run(MAIN_CONTENT))
    assert "masked" not in told
    page = await console.open(made.json()["token"])
    for address in MASKED:
        with subtests.test(address):
            await console.show(page, address)
            assert "they need the scope people" in await page.run(MAIN)
            await look(page, f"{address}-masked")
    await console.show(page, "/people/u-victim?tab=profile")
    assert ["list", "masked"] in [row[:2] for row in await read_rows(page, "Traits")]
    # Parts of pages whose numbers are open to all who read.
    for address, told in (("/segments?where=true", "people"), ("/messages", "Sent")):
        await console.show(page, address)
        assert told in await page.run(MAIN)
        await look(page, f"{address}-masked")
    for address, scope in REFUSED.items():
        with subtests.test(address):
            await console.show(page, address)
            assert f"scope {scope}" in await page.run("document.querySelector('main [role=alert]').innerText")
            await look(page, f"{address}-refused")
    # Acts are there to be seen, and say what they need.
    await console.show(page, "/campaigns/welcome")
    needed = "[...document.querySelectorAll('main button:disabled')].map(one => one.title)"
    assert await page.until(f"{needed}.length && {needed}") == ["Needs the scope operate"] * 2
    assert errors_of(page) == []


@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), NARROW)
async def test_a_new_deployment_says_what_to_do_first(
    empty: Console, subtests: pytest.Subtests, scheme: str, width: int
) -> None:
    page = await empty.open(scheme=scheme, width=width)
    for address in EMPTY:
        with subtests.test(address):
            await empty.show(page, address)
            await look(page, f"empty-{address}-{scheme}-{width}")
            assert await page.run("!!document.querySelector('main .empty') && !document.querySelector('[role=alert]')")
    assert errors_of(page) == []


@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), NARROW)
async def test_waiting_and_lost_connections_are_told(console: Console, scheme: str, width: int) -> None:
    page = await console.page(scheme, width)
    await page.open(f"{console.url}/console")
    await page.until("!!document.querySelector('input[name=key]')")
    await look(page, f"sign-in-{scheme}-{width}")
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    # An answer that takes its time.
    await page.call("Fetch.enable", patterns=[{"urlPattern": "*/v1/segments*"}])
    await page.open(f"{console.url}/console/segments")
    await page.until("!!document.querySelector('main h1') && !!document.querySelector('main [role=status] .skeleton')")
    await look(page, f"loading-{scheme}-{width}")
    await page.call("Fetch.disable")
    await page.until("!!document.querySelector('table')")
    # An API that is away: the page as a whole, then a part of it.
    await page.call("Network.setBlockedURLs", urls=["*/v1/*"])
    await page.open(f"{console.url}/console/segments")
    await page.until("document.querySelector('main [role=alert]')?.innerText.includes('No answer')")
    await look(page, f"away-{scheme}-{width}")
    await page.call("Network.setBlockedURLs", urls=["*/v1/segments*"])
    await click(page, "main button", "Try again")
    await page.until("document.querySelector('main h1')?.innerText === 'Segments'")
    await page.until("document.querySelector('main [role=alert]')?.innerText.includes('No answer')")
    await look(page, f"away-in-part-{scheme}-{width}")
    await page.call("Network.setBlockedURLs", urls=[])
    await click(page, "main button", "Try again")
    await page.until("!!document.querySelector('table')")
    assert errors_of(page) == []


@pytest.mark.takes_long
async def test_an_approval_that_a_change_has_outdated_says_so(console: Console) -> None:
    # Of its own: other tests read the one that waits, in any order.
    async with client_of(console.shop.app, console.asking) as asking:
        await console_numbers.ask_for_approval(asking, "flash")
    page = await console.open(console.another)
    await console.show(page, "/approvals")
    states = {row[0]: row[1] for row in await read_rows(page, "Approvals")}
    assert ("rejected" in states["offers"], "outdated" in states["tips"]) == (True, True)
    assert "the campaign or its entry was changed" in await page.run(MAIN)
    # One that a change outdates while a person reads what it would do.
    await click(page, "tbody tr:has(a[href$='/campaigns/flash']) button", "Approve")
    await page.until(OPEN)
    changed = console_numbers.campaign_for_many("flash", "31d")
    assert (await console.shop.operator.post("/v1/campaigns", json=changed)).is_success
    await click(page, "dialog button", "Approve")
    told = await page.until("document.querySelector('dialog [role=alert]')?.innerText")
    assert "was changed" in told
    await look(page, "dialog-outdated")


@pytest.mark.takes_long
async def test_a_key_is_shown_once_in_a_readable_dialog(console: Console) -> None:
    page = await console.open(width=390, scheme="dark")
    await console.show(page, "/keys")
    await click(page, "main button", "New key")
    await page.until(OPEN)
    await page.run("document.querySelector('dialog input[name=name]').focus()")
    await page.call("Input.insertText", text="Ada's")
    await click(page, "dialog button", "New key")
    await page.until("!!document.querySelector('dialog input[readonly]')")
    await look(page, "dialog-key-made-dark-390")


@pytest.mark.prove
@pytest.mark.takes_long
async def test_the_first_page_needs_little_and_is_painted_at_once(console: Console) -> None:
    page = await console.page()
    await console.log_in(page)
    await page.until("document.querySelector('h1')?.innerText === 'Campaigns'")
    await page.call("Network.clearBrowserCache")
    await page.open(f"{console.url}/console/campaigns")
    await page.until("!!document.querySelector('table')")
    paint = await page.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    sizes = await page.run(SIZES)
    files = {name: size for name, size in sizes.items() if "/assets/" in name}
    assert not [name for name in files if "diagram" in name or "editor" in name]
    assert sum(files.values()) < MOST_FIRST_BYTES, files
    assert not IS_LONG or paint < MOST_PAINT_MILLISECONDS, paint
