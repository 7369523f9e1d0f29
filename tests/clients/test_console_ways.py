"""The console while the API is away, with long names, and for a key that may not see every page."""

import pytest

from tests.clients.console_site import Console, errors_of, look

LONG = "u-" + "7" * 198
NAVIGATION = "[...document.querySelectorAll('nav[aria-label=Pages] a')].map(one => one.getAttribute('href'))"
NOT_CURRENT = "!!document.querySelector('.not-current')?.innerText.match(/Not current since \\d\\d:\\d\\d/)"
CLICK = "document.querySelector('nav a[href=\"/console/{}\"]').click()"
# Cells of the tables that scroll sideways, if any does.
OVERFLOWING = "[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length"
CUT = "[...document.querySelectorAll('tbody .cut')].map(one => [one.title, one.textContent])"


@pytest.mark.takes_long
async def test_old_numbers_say_so_and_no_page_leaves_the_console(console: Console) -> None:
    page = await console.open()
    shown = await page.until("document.querySelector('tbody')?.innerText")
    assert not await page.run(NOT_CURRENT)
    await page.run("window.same = true")
    await page.call("Network.setBlockedURLs", urls=["*/v1/*", "*/console/*"])
    await page.until(NOT_CURRENT)
    assert await page.run("document.querySelector('tbody').innerText") == shown
    await look(page, "not-current")
    # A page whose script was not loaded before.
    await page.run(CLICK.format("reconciliations"))
    await page.until("document.querySelector('main [role=alert]')?.innerText.includes('No answer')")
    assert await page.run("window.same && location.pathname") == "/console/reconciliations"
    assert await page.run(NAVIGATION)
    await look(page, "not-loaded")
    # What is there already goes on working.
    await page.run(CLICK.format("campaigns"))
    await page.until(
        "document.querySelector('main h1')?.innerText === 'Campaigns' && !!document.querySelector('tbody')"
    )
    await page.run(CLICK.format("reconciliations"))
    await page.until("document.querySelector('main h1')?.innerText === 'Not loaded'")
    await page.call("Network.setBlockedURLs", urls=[])
    # By itself, as soon as the API answers.
    await page.until("document.querySelector('main h1')?.innerText === 'Reconciliations'")
    await page.run(CLICK.format("campaigns"))
    await page.until("!!document.querySelector('tbody')")
    assert not await page.run(NOT_CURRENT)
    assert errors_of(page) == []


@pytest.mark.takes_long
async def test_a_key_is_led_to_the_pages_that_answer_it(console: Console, subtests: pytest.Subtests) -> None:
    whole = await (await console.open()).until(NAVIGATION)
    assert {"/console/keys", "/console/sessions", "/console/audit-log"} <= set(whole)
    for scopes in (["read"], ["read", "operate", "people"]):
        made = await console.shop.operator.post("/v1/keys", json={"name": "some", "scopes": scopes})
        page = await console.open(made.json()["token"])
        led = await page.until(NAVIGATION)
        assert set(whole) - set(led) == {"/console/keys", "/console/sessions", "/console/audit-log"}
        for address in led:
            with subtests.test(f"{scopes} {address}"):
                await console.move(page, address.removeprefix("/console"))
                assert not await page.run("!!document.querySelector('main [role=alert]')")


@pytest.mark.takes_long
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
async def test_a_long_name_pushes_no_column_out(console: Console, scheme: str, width: int) -> None:
    await console.shop.serve("identify", userId=LONG, traits={"plan": "pro"})
    await console.shop.serve("track", userId=LONG, event=LONG)
    page = await console.open(scheme=scheme, width=width)
    for address in ("/people", "/data-plan"):
        await console.move(page, address)
        await page.until(f"({CUT}).some(([title]) => title === {LONG!r})")
        # All of it is there, to be read out and copied.
        assert [LONG, LONG] in await page.run(CUT)
        assert await page.run(OVERFLOWING) == 0
        await look(page, f"long-{address}-{scheme}-{width}")


async def test_filters_fit_a_telephone(console: Console) -> None:
    page = await console.open(width=390)
    outside = (
        "[...document.querySelectorAll('.filters > *')].filter(one => one.getBoundingClientRect().right > innerWidth)"
    )
    for address in ("/messages", "/non-sends", "/people", "/journeys", "/campaigns"):
        await console.move(page, address)
        assert await page.run(f"{outside}.length") == 0, address
    await console.move(page, "/messages")
    seen = "[...document.querySelectorAll('.filters .field')].filter(one => one.offsetParent).length"
    assert await page.run(seen) == 2
    await look(page, "filters-few-390")
    await page.run("document.querySelector('.filters .further').click()")
    await page.until(f"{seen} === 7")
    assert await page.run(f"{outside}.length") == 0
    await look(page, "filters-all-390")
    # One with a value stays.
    await console.move(page, "/messages?state=sent")
    await page.run("document.querySelector('.filters .further').click()")
    await page.until(f"{seen} === 3")
