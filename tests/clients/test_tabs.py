"""Tabs of one browser: one has the connection, one interrupts at a time, and a log-out is one of all."""

import json

import pytest

from tests.clients.devtools import Session
from tests.clients.page_world import (
    BANNER,
    ROOT,
    TEXT,
    World,
    click,
    find_requests,
    inside,
    until_gone,
    until_sent,
    until_shown,
)
from tests.clients.test_page_messages import KINDS
from tests.harness import PATIENCE, looks

pytestmark = [pytest.mark.takes_long, pytest.mark.usefixtures("calm")]

WAITS_FOR_TURN = "navigator.locks.query().then(({ pending }) => pending.some(({ name }) => name.endsWith('.turn')))"
# A tab that does nothing, as on a phone, without a word before.
SUSPEND = "setTimeout(() => { debugger })"
RULES = '{ "prerender": [{ "urls": ["/basket"], "eagerness": "immediate" }] }'


def count_streams(page: Session) -> int:
    return len(find_requests(page, "/v1/client/stream"))


async def until_card(page: Session, title: str) -> None:
    await page.until(f"{ROOT.format(kind='feed')}?.textContent.includes('{title}')")


async def test_one_tab_interrupts_at_a_time_and_one_has_the_connection(world: World) -> None:
    visitor = await world.person()
    await visitor.put("modal", **KINDS["modal"], every={"kind": "until_dismissed"})
    await visitor.put("card", **KINDS["card"])
    first = await visitor.open()
    await until_shown(first, "modal")
    second = await visitor.open("/basket")
    await until_shown(second, "card")
    await second.until(WAITS_FOR_TURN)
    assert not await second.run(f"!!{inside('modal', '.box')}")
    assert count_streams(first) + count_streams(second) == 1
    await first.call("Page.bringToFront")
    await click(first, "modal", ".secondary")
    await until_gone(first, "modal")
    # What was dismissed in one tab is over in the other as well, and what comes next has one of them.
    await until_gone(second, "modal")
    await click(first, "card", ".secondary")
    await until_gone(second, "card")
    await visitor.put("banner", **KINDS["banner"])
    async for is_last in looks(PATIENCE):
        shown = [await page.run(f"!!{inside('banner', '.box')}") for page in (first, second)]
        if any(shown):
            break
        assert not is_last
    await visitor.put("card", title="Later", text=TEXT, actions=[])
    for page in (first, second):
        await page.until(f"{ROOT.format(kind='feed')}?.textContent.includes('Later')")
    assert [await page.run(f"!!{inside('banner', '.box')}") for page in (first, second)] == shown
    assert sum(shown) == 1
    # The tab with the connection closes: another one takes it over.
    await first.call("Page.close")
    await visitor.put("card", title="Another", text=TEXT, actions=[])
    await second.until(f"{ROOT.format(kind='feed')}?.textContent.includes('Another')")


async def sleep(page: Session, how: str) -> None:
    if how == "frozen":
        await page.call("Page.setWebLifecycleState", state="frozen")
        return
    await page.call("Debugger.enable")
    await page.run(SUSPEND)
    async for is_last in looks(PATIENCE):
        if any(event["method"] == "Debugger.paused" for event in page.events):
            return
        assert not is_last


async def wake(page: Session, how: str) -> None:
    if how == "frozen":
        await page.call("Page.setWebLifecycleState", state="active")
    else:
        await page.call("Debugger.disable")


@pytest.mark.parametrize("how", ["frozen", "suspended"])
async def test_the_tab_in_sight_takes_the_connection_of_one_that_sleeps(world: World, how: str) -> None:
    visitor = await world.person()
    await visitor.put("modal", **KINDS["modal"], every={"kind": "until_dismissed"})
    await visitor.put("card", **KINDS["card"])
    first = await visitor.open()
    await until_shown(first, "modal")
    second = await visitor.open("/basket")
    await until_card(second, "On its way")
    await second.until(WAITS_FOR_TURN)
    assert (count_streams(first), count_streams(second)) == (1, 0)
    await sleep(first, how)
    await second.run("document.dispatchEvent(new Event('visibilitychange'))")
    await visitor.put("card", title="Later", text=TEXT, actions=[])
    await until_card(second, "Later")
    async for is_last in looks(PATIENCE):
        if count_streams(second):
            break
        assert not is_last
    if how == "frozen":
        # The one that sleeps has left its turn as well.
        await until_shown(second, "modal")
    await wake(first, how)
    await visitor.put("card", title="Another", text=TEXT, actions=[])
    for page in (first, second):
        await until_card(page, "Another")
    assert (count_streams(first), count_streams(second)) == (1, 1)
    assert sum([await page.run(f"!!{inside('modal', '.box')}") for page in (first, second)]) == 1


async def test_a_log_out_is_one_of_all_tabs(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **BANNER)
    await visitor.put("card", **KINDS["card"])
    first, second = await visitor.open(), await visitor.open("/basket")
    await until_shown(first, "banner")
    await until_card(second, "On its way")
    await second.run("sojourn.reset()")
    for page in (first, second):
        await until_gone(page, "banner")
        await until_gone(page, "card")
    await first.run("sojourn.track('Lamp Seen')")
    anonymous = "SELECT user_id FROM events WHERE name = 'Lamp Seen' AND anonymous_id = %s"
    known = await first.run("localStorage.ajs_anonymous_id.slice(1, -1)")
    async for is_last in looks(PATIENCE):
        if found := await world.shop.query(anonymous, known):
            break
        assert not is_last
    assert [one["user_id"] for one in found] == [None]
    assert not await first.run(f"!!{inside('card', '.box')}")


async def test_a_page_that_is_made_ready_counts_and_shows_once_someone_opens_it(world: World) -> None:
    visitor = await world.person()
    await visitor.put("card", **KINDS["card"])
    page = await visitor.open("/", **{"track-pages": ""})
    await until_card(page, "On its way")
    await page.call("Page.close")
    tab = await world.tools.tab(visitor.context)
    # Its policy lets no rules in but by a header.
    await tab.page.call("Page.setBypassCSP", enabled=True)
    await tab.page.open(f"{world.front.url}/lamps")
    await tab.page.run(
        "{ const rules = document.createElement('script'); rules.type = 'speculationrules';"
        f" rules.textContent = '{RULES}'; document.head.append(rules) }}"
    )
    ready = await tab.prerendered()
    await ready.call("Network.enable")
    await ready.until("document.readyState === 'complete' && !!sojourn.track")
    await ready.run("sojourn.track('Lamp Seen')")
    # What it asks it asks at once.
    await ready.run("new Promise((resolve) => setTimeout(resolve, 500))")
    assert await ready.run("document.prerendering")
    asked = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/v1/')).length"
    assert await ready.run(asked) == 0
    await tab.page.run("location.href = '/basket'")
    await ready.until("!document.prerendering")
    assert await ready.run("performance.getEntriesByType('navigation')[0].activationStart > 0")
    await until_card(ready, "On its way")
    await until_sent(ready, "shown")
    query = "SELECT timestamp FROM events WHERE user_id = %s AND properties->>'path' = '/basket'"
    async for is_last in looks(PATIENCE):
        if seen := await world.shop.query(query, visitor.user):
            break
        assert not is_last
    assert len(seen) == 1


async def test_two_tabs_report_a_trigger_of_a_session_once(world: World) -> None:
    visitor = await world.person()
    triggers = "triggers: [{name: lamps, event: Signed Up, kind: feature_used, element: '#lamps'}]\n"
    sent = {"file": "page-triggers.yaml", "source": triggers}
    assert (await world.shop.operator.put("/v1/page-triggers", json=sent)).is_success
    tabs = [await visitor.open(), await visitor.open("/basket")]
    for page in tabs:
        await page.until(
            "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/v1/client/settings'))"
        )
        # Neither hears of the other in time.
        await page.run("document.addEventListener('click', () => localStorage.removeItem('sojourn.fired'))")
    for page in tabs:
        async for is_last in looks(PATIENCE):
            await page.run("document.querySelector('#lamps').click()")
            if "Signed Up" in reported(page):
                break
            assert not is_last
    await page.run("sojourn.track('Lamp Seen')")
    query = "SELECT name FROM events WHERE user_id = %s ORDER BY recorded_at"
    async for is_last in looks(PATIENCE):
        names = [one["name"] for one in await world.shop.query(query, visitor.user)]
        if "Lamp Seen" in names:
            break
        assert not is_last
    # The first is of the visitor's beginning.
    assert names.count("Signed Up") == 2


def reported(page: Session) -> list[str]:
    """The events that a page has reported."""
    bodies = [json.loads(one["postData"]) for one in find_requests(page, "/v1/batch") if "postData" in one]
    return [call.get("event") for body in bodies for call in body["batch"]]
