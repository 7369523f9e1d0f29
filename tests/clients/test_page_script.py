"""The script on the pages of a shop, in a real browser: what it reports and keeps, and what it leaves alone."""

import json
import re
from pathlib import Path

import pytest

from tests.clients.page_world import (
    BANNER,
    World,
    click,
    find_requests,
    inside,
    until_refused,
    until_sent,
    until_shown,
)
from tests.harness import PATIENCE, looks

pytestmark = [pytest.mark.takes_long, pytest.mark.usefixtures("calm")]

DOCS = (Path(__file__).parents[2] / "docs" / "browser.md").read_text()
SUBSCRIPTION = {
    "endpoint": "https://fcm.googleapis.com/fcm/send/abc",
    "keys": {
        "p256dh": "BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U",
        "auth": "AAECAwQFBgcICQoLDA0ODw",
    },
}


def block(kind: str) -> str:
    [text] = re.findall(rf"^```{kind} page\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    return str(text)


async def test_the_documented_calls_report(world: World) -> None:
    visitor = await world.person()
    # The tag without a key, as the page loads the script itself.
    calls = block("js").replace("https://journeys.example", world.front.api)
    calls = calls.replace("WRITE_KEY", world.shop.key["token"]).replace("u-1", visitor.user)
    world.front.script = f"addEventListener('DOMContentLoaded', () => {{ {calls.rpartition('sojourn.reset()')[0]} }})"
    world.front.token = world.shop.token(visitor.user, groups=["acme"])
    page = await visitor.open(key="")
    query = "SELECT type, name, trust FROM events WHERE user_id = %s AND name IS DISTINCT FROM 'Signed Up'"
    async for is_last in looks(PATIENCE):
        found = {(one["type"], one["name"], one["trust"]) for one in await world.shop.query(query, visitor.user)}
        if len(found) == 4:
            break
        assert not is_last, found
    assert found == {
        (type, name, "verified")
        for type, name in {"identify": None, "track": "Cart Abandoned", "page": "Pricing", "group": None}.items()
    }
    # The tag of the page is the one that is documented.
    documented = re.sub(r"-HASH|sha384-\w+|https://[^/]+|data-.*", "", block("html").partition(">")[0])
    tag = await page.run("document.querySelector('script[integrity]').outerHTML")
    assert re.sub(r"(?<=/sojourn)-\w+|sha384-[^\"]+|http://[^/]+|data-.*", "", tag.partition(">")[0]).split() == [
        word.replace("defer", 'defer=""') for word in documented.split()
    ]


async def test_a_page_without_views_of_its_own_reads_and_reacts(world: World) -> None:
    visitor = await world.person()
    message = await visitor.put("banner", **BANNER)
    page = await visitor.open(headless="")
    await page.run("sojourn.messages.subscribe((messages) => (window.got = messages.map((one) => one.message_id)))")
    await page.until("window.got.length === 1")
    assert await page.run("got[0]") == message
    await page.run("sojourn.react(got[0], 'clicked', { action: 'go' })")
    assert await until_sent(page, "clicked") == [("clicked", "go")]
    assert not await page.run("document.querySelector('[src*=views]') || document.querySelector('[data-sojourn]')")


async def test_the_console_says_on_request_why_a_message_is_not_shown(world: World) -> None:
    visitor = await world.person()
    page = await visitor.open(debug="")
    await page.run("window.lines = []; console.info = (line) => lines.push(line)")
    message = await visitor.put("banner", **BANNER | {"where": ["/elsewhere"]})
    await page.until("lines.length")
    assert await page.run("lines") == [f"sojourn: banner {message} is not shown: where"]


async def test_a_browser_is_a_device_until_its_user_logs_out(world: World) -> None:
    visitor = await world.person()
    page = await visitor.open()
    ask = "Notification.requestPermission = async () => 'granted';"
    registration = f"{{ pushManager: {{ subscribe: async () => ({{ toJSON: () => ({json.dumps(SUBSCRIPTION)}) }}) }} }}"
    assert await page.run(f"{ask} sojourn.subscribePush({registration}, 'key')")
    query = (
        "SELECT value FROM device_addresses WHERE removed_at IS NULL"
        " AND profile_id = (SELECT id FROM profiles WHERE user_id = %s)"
    )
    assert [one["value"] for one in await world.shop.query(query, visitor.user)] == [SUBSCRIPTION["endpoint"]]
    assert (await page.run("sojourn.preferences()")).keys() >= {"topics", "paused_until", "pace"}
    before = await page.run("localStorage.ajs_anonymous_id")
    await page.run("sojourn.reset()")
    async for is_last in looks(PATIENCE):
        if not await world.shop.query(query, visitor.user):
            break
        assert not is_last
    assert await page.run("localStorage['sojourn.user']") is None
    assert await page.run("localStorage.ajs_anonymous_id") != before


async def test_a_page_trigger_is_reported_once_a_session_while_a_rule_needs_it(world: World) -> None:
    visitor = await world.person()
    triggers = "triggers: [{name: lamps, event: Signed Up, kind: feature_used, element: '#lamps'}]\n"
    sent = {"file": "page-triggers.yaml", "source": triggers}
    assert (await world.shop.operator.put("/v1/page-triggers", json=sent)).is_success
    page = await visitor.open()
    await page.until(
        "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/v1/client/settings'))"
    )
    count = "SELECT count(*) AS n FROM events WHERE user_id = %s AND name = 'Signed Up'"
    async for is_last in looks(PATIENCE):
        await page.run("document.querySelector('#lamps').click()")
        if (await world.shop.query(count, visitor.user))[0]["n"] == 2:
            break
        assert not is_last
    await page.run("document.querySelector('#lamps').click(); sojourn.feature('Signed Up'); sojourn.flush()")
    await page.open(f"{world.front.url}/basket")
    await page.run("document.querySelector('#lamps').click(); sojourn.track('Basket Seen'); sojourn.flush()")
    # A report of the click would go before this event.
    async for is_last in looks(PATIENCE):
        if await world.shop.query("SELECT FROM events WHERE user_id = %s AND name = 'Basket Seen'", visitor.user):
            break
        assert not is_last
    assert (await world.shop.query(count, visitor.user))[0]["n"] == 2


async def test_it_speaks_of_the_person_of_analytics_js_and_sets_no_cookie(world: World) -> None:
    visitor = await world.person()
    early = "window.sojourn = [['track', 'Lamp Chosen', { lamp: 'a' }]]"
    world.front.script = f"localStorage.setItem('ajs_anonymous_id', '\"a-shared\"'); {early}"
    page = await visitor.open("/basket", **{"track-pages": ""})
    await page.run("sojourn.identify('x'); sojourn.group('acme'); sojourn.flush()")
    query = "SELECT anonymous_id, name, type FROM events WHERE anonymous_id = 'a-shared' ORDER BY recorded_at"
    async for is_last in looks(PATIENCE):
        found = await world.shop.query(query)
        if len(found) >= 4:
            break
        assert not is_last, found
    assert sorted((one["type"], one["name"]) for one in found) == [
        ("group", None),
        ("identify", None),
        ("page", None),
        ("track", "Lamp Chosen"),
    ]
    assert await page.run("document.cookie") == ""
    assert (await page.call("Storage.getCookies"))["cookies"] == []


async def test_reactions_wait_while_the_browser_is_offline(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **BANNER)
    page = await visitor.open()
    await until_shown(page, "banner")
    await until_sent(page, "shown")
    kept = "Object.keys(localStorage).filter((key) => key.startsWith('sojourn.reactions.')).length"
    await page.until(f"{kept} === 0")
    offline = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    await page.call("Network.emulateNetworkConditions", offline=True, **offline)
    await click(page, "banner", ".x")
    await page.until(f"{kept} === 1")
    await page.call("Network.emulateNetworkConditions", offline=False, **offline)
    await page.until(f"{kept} === 0")
    await until_sent(page, "shown", "dismissed")


async def test_a_page_of_another_origin_gets_nothing_and_works(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **BANNER)
    page = await visitor.open("/", key=world.shop.other["token"])
    await page.until("document.querySelector('[data-sojourn-slot] p').checkVisibility({ visibilityProperty: true })")
    await page.run("sojourn.track('Lamp Chosen'); sojourn.page(); sojourn.messages.subscribe(null); sojourn.react()")
    paths = ("/v1/client/settings", "/v1/client/stream", "/v1/client/slots", "/v1/batch")
    for path in paths:
        await until_refused(page, path)
    # It says so once, and does not ask again, whatever its visitor does.
    warned = [one["params"]["args"] for one in page.events if one["method"] == "Runtime.consoleAPICalled"]
    assert len(warned) == 1
    assert "this browser key is for pages of other origins" in warned[0][1]["value"]
    await page.run("history.pushState({}, '', '/lamps')")
    await page.run("sojourn.track('Lamp Chosen'); sojourn.flush()")
    assert [len(find_requests(page, path)) for path in paths] == [1, 1, 1, 1]
    # With its own key a page of the same person shows it, as one does at a time.
    await until_shown(await visitor.open(), "banner")
    assert not await page.run(f"!!{inside('banner', '.box')}")


async def test_a_slot_shows_its_own_content_while_the_network_does_not_answer(world: World) -> None:
    visitor = await world.person()
    page = await visitor.open()
    await page.call("Fetch.enable", patterns=[{"urlPattern": "*/v1/client/slots*"}])
    await page.run(
        "{ const made = document.createElement('p'); made.dataset.sojournSlot = 'late'; made.textContent = 'Own';"
        " const states = (window.states = []); new MutationObserver(() => states.push(made.style.visibility))"
        ".observe(made, { attributes: true }); document.querySelector('main').append(made) }"
    )
    # Its request is held, and never answered.
    await page.until("states.length === 2")
    assert await page.run("states") == ["hidden", ""]
    assert [event for event in page.events if event["method"] == "Fetch.requestPaused"]
