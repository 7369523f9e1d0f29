"""Messages on the pages of a shop, in a real browser, by the real script and the real API.

The pages are of another origin than the API, and have the strictest Content-Security-Policy.
"""

import json
import time
from typing import Any

import pytest

from domain.channels.in_app.kinds import IN_APP_KINDS
from tests.api.inboxes import put
from tests.clients.axe import find_faults
from tests.clients.devtools import Session
from tests.clients.page_world import (
    BANNER,
    CLOSE,
    GO,
    ROOT,
    TEXT,
    World,
    click,
    find_requests,
    inside,
    press,
    until_gone,
    until_sent,
    until_shown,
)
from tests.clients.shop_front import DOCS
from tests.docs.test_in_app import BLOCKS, DATA
from tests.domain.channels.in_app.in_app_templates import render
from tests.harness import PATIENCE, looks

pytestmark = [pytest.mark.takes_long, pytest.mark.usefixtures("calm")]

EXAMPLE = DOCS.partition("```js page\n")[2].partition("```")[0]
SLOT = "document.querySelector('[data-sojourn-slot=hero]')"
GRADE = {"id": "grade", "type": "nps", "text": TEXT, "required": True, "low": "No", "high": "Yes"}
WHY = {"id": "why", "type": "text", "text": TEXT, "required": False}
ROOMS = {
    "id": "rooms",
    "type": "multi",
    "text": TEXT,
    "required": True,
    "options": [{"value": "k", "label": "Kitchen"}],
}
KINDS: dict[str, dict[str, Any]] = {
    "banner": BANNER,
    "modal": {"title": "Your lamp is back", "text": TEXT, "actions": [GO, CLOSE]},
    "tooltip": {"anchor": "#basket", "title": "Your basket", "text": TEXT, "actions": [GO, CLOSE], "side": "bottom"},
    "card": {"title": "On its way", "text": TEXT, "actions": [GO, CLOSE], "pinned": False},
    "survey": {"questions": [GRADE], "thanks": TEXT, "position": "corner"},
    "tour": {
        "steps": [
            {"id": "one", "anchor": "#basket", "title": "Basket", "text": TEXT},
            {"id": "two", "title": "Done", "text": TEXT},
        ],
        "skippable": True,
    },
}


# Kinds


@pytest.mark.parametrize("kind", ["banner", "modal", "tooltip", "card"])
async def test_a_message_is_shown_and_clicked_and_dismissed(world: World, kind: str) -> None:
    visitor = await world.person()
    message = await visitor.put(kind, **KINDS[kind])
    page = await visitor.open()
    await until_shown(page, kind)
    # What looks like an element in a value is a text.
    assert "<b>Sunday</b>" in await page.run(f"{inside(kind, '.text')}.textContent")
    await until_sent(page, "shown")
    assert await find_faults(page) == []
    if kind == "card":
        await click(page, kind, ".primary")
        assert ("clicked", "go") in await until_sent(page, "shown", "clicked")
    await click(page, kind, ".secondary")
    clicks = ("clicked", "clicked") if kind == "card" else ("clicked",)
    assert ("clicked", "later") in await until_sent(page, "shown", *clicks, "dismissed")
    await until_gone(page, kind)
    await world.until_recorded(message, "opened_at", "clicked_at", "dismissed_at")


async def test_a_link_leads_on_and_is_reported_as_the_page_is_left(world: World) -> None:
    visitor = await world.person()
    action = {"id": "go", "label": "Basket", "style": "primary", "dismiss": True, "url": "/basket"}
    foreign = {**action, "id": "bad", "url": "javascript:alert(1)"}
    message = await visitor.put("banner", **{**BANNER, "actions": [action, foreign]})
    page = await visitor.open()
    await until_shown(page, "banner")
    # An address of another kind leads nowhere.
    assert await page.run(f"{inside('banner', 'button.act')}.textContent") == "Basket"
    await click(page, "banner", "a.act")
    await page.until("location.pathname === '/basket'")
    assert ("clicked", "go") in await until_sent(page, "shown", "clicked", "dismissed")
    await world.until_recorded(message, "opened_at", "clicked_at", "dismissed_at")


async def test_a_tour_leads_from_step_to_step_and_is_completed(world: World) -> None:
    visitor = await world.person()
    await visitor.put("tour", **KINDS["tour"])
    page = await visitor.open()
    await until_shown(page, "tour")
    assert await page.run(f"{inside('tour', '.title')}.textContent") == "Basket"
    assert await find_faults(page) == []
    await click(page, "tour", ".primary")
    await page.until(f"{inside('tour', '.title')}?.textContent === 'Done'")
    await click(page, "tour", ".primary")
    await until_gone(page, "tour")
    await until_sent(page, "shown", "completed")


async def test_a_tour_goes_on_at_its_step_on_the_next_page(world: World) -> None:
    visitor = await world.person()
    steps = [
        {"id": "one", "anchor": "#basket", "title": "Basket", "text": TEXT, "next_on_click": True},
        {"id": "two", "anchor": "#lamps", "title": "Lamps", "text": TEXT},
    ]
    await visitor.put("tour", steps=steps, skippable=True)
    page = await visitor.open()
    await until_shown(page, "tour")
    await page.run("document.querySelector('#basket').click()")
    await page.until("location.pathname === '/basket'")
    await page.until(f"{inside('tour', '.title')}?.textContent === 'Lamps'")
    await press(page, "Escape")
    await until_gone(page, "tour")
    await page.open(f"{world.front.url}/")
    await visitor.put("banner", **KINDS["banner"])
    # It has ended for good: what comes after it shows.
    await until_shown(page, "banner")
    assert not await page.run(f"!!{inside('tour', '.box')}")


async def test_a_survey_asks_by_the_answers(world: World) -> None:
    visitor = await world.person()
    grade = {**GRADE, "next": [{"when": {"max": 6}, "to": "why"}, {"when": {"min": 9}, "to": "rooms"}]}
    await visitor.put("survey", questions=[grade, {**WHY}, {**ROOMS}], thanks=TEXT, position="corner")
    page = await visitor.open()
    await until_shown(page, "survey")
    assert await find_faults(page) == []
    await click(page, "survey", ".nps button:last-child")
    await click(page, "survey", ".option input")
    assert await find_faults(page) == []
    await click(page, "survey", ".primary")
    await until_shown(page, "survey", ".thanks")
    sent = await until_sent(page, "shown", "answered", "answered", "completed")
    assert sent[1:3] == [("answered", '{"grade": 10}'), ("answered", '{"rooms": ["k"]}')]
    ended = """
    SELECT name FROM events JOIN profiles ON profiles.id = events.profile_id
    WHERE name LIKE '%% Completed' AND source = 'sojourn' AND profiles.user_id = %s
    """
    async for is_last in looks(PATIENCE):
        if rows := await world.shop.query(ended, visitor.user):
            break
        assert not is_last, "the survey has not ended"
    assert [row["name"] for row in rows] == ["Survey Completed"]


async def test_the_keyboard_is_enough(world: World) -> None:
    visitor = await world.person()
    await visitor.put("modal", **KINDS["modal"])
    page = await visitor.open()
    await page.run("document.querySelector('#lamps').focus()")
    await until_shown(page, "modal")
    # The focus does not leave the dialog for the page.
    focused = []
    for _ in range(4):
        await press(page, "Tab")
        focused.append(await page.run("document.activeElement.id"))
    assert "lamps" not in focused
    assert "basket" not in focused
    await press(page, "Escape")
    await until_gone(page, "modal")
    await until_sent(page, "shown", "dismissed")


async def test_one_s_own_component_shows_a_message(world: World) -> None:
    visitor = await world.person()
    world.front.script = f"addEventListener('DOMContentLoaded', () => {{ {EXAMPLE} }})"
    await put(world.shop.database_url, visitor.user, shape="custom", placement="sizes", data={"size": "XL"})
    page = await visitor.open()
    await page.until("document.querySelector('nav').textContent.includes('Your size: XL')")
    await until_sent(page, "shown")
    await page.run("document.querySelector('nav').lastElementChild.click()")
    await page.until("!document.querySelector('nav').textContent.includes('Your size')")
    await until_sent(page, "shown", "clicked", "dismissed")


@pytest.mark.parametrize("kind", IN_APP_KINDS)
async def test_a_documented_template_is_shown(world: World, kind: str) -> None:
    visitor = await world.person()
    rendered = render(BLOCKS[kind], {"first_name": "Ada"}, **DATA)
    # On its page, and at once.
    path = {"banner": "/pricing", "tooltip": "/reports", "tour": "/app"}.get(kind, "/")
    content = {**rendered["content"], "after": None}
    await put(world.shop.database_url, visitor.user, shape=kind, placement=rendered["placement"], **content)
    world.front.script = (
        "addEventListener('DOMContentLoaded', () => sojourn.messages.render('*', ({ message }) =>"
        " void (document.querySelector('#lamps').textContent = message.content.data.plan)))"
    )
    page = await visitor.open(path)
    if kind == "slot":
        await open_until_filled(page, "Welcome back, Ada")
    elif kind == "custom":
        await page.until("document.querySelector('#lamps').textContent === 'free'")
    else:
        await until_shown(page, kind, ".box:not(.away)")
    assert await find_faults(page) == []


# Where and when


async def test_a_message_shows_on_its_pages_alone(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **KINDS["banner"], where=["/pricing/**"])
    await visitor.put("tooltip", **KINDS["tooltip"], where=["/basket"])
    page = await visitor.open("/basket")
    # The one that was put later has its turn.
    await until_shown(page, "tooltip")
    assert not await page.run(f"!!{inside('banner', '.box')}")
    # An application of one page changes its address itself.
    await page.run("history.pushState({}, '', '/pricing/teams?a=b')")
    await until_shown(page, "banner")
    await page.run("history.pushState({}, '', '/basket')")
    await until_gone(page, "banner")


async def test_a_message_waits_for_what_someone_does(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **KINDS["banner"], after={"feature": "Lamp Chosen", "exit_intent": True})
    await visitor.put("tooltip", **KINDS["tooltip"], after={"feature": "Lamp Chosen"})
    await visitor.put("card", **KINDS["card"])
    page = await visitor.open()
    await until_shown(page, "card")
    await page.run("sojourn.track('Lamp Chosen', { lamp: 'a' })")
    # The one that was put later, and waits for this alone, has its turn.
    await until_shown(page, "tooltip")
    assert not await page.run(f"!!{inside('banner', '.box')}")
    await click(page, "tooltip", ".secondary")
    await page.run("document.dispatchEvent(new MouseEvent('mouseout', { bubbles: true, clientY: -1 }))")
    await until_shown(page, "banner")


async def test_a_tooltip_waits_for_its_element_and_follows_it(world: World) -> None:
    visitor = await world.person()
    await visitor.put("tooltip", **{**KINDS["tooltip"], "anchor": "#late"})
    await visitor.put("card", **KINDS["card"])
    page = await visitor.open()
    await until_shown(page, "card")
    make = "const made = document.createElement('button'); made.id = 'late'; made.textContent = 'Late';"
    await page.run(f"{{ {make} document.querySelector('nav').append(made) }}")
    await until_shown(page, "tooltip", ".bubble:not(.away)")
    # The page makes its elements anew, elsewhere.
    place = f"{inside('tooltip', '.bubble')}.style.transform"
    before = await page.run(place)
    await page.run(
        f"{{ document.querySelector('#late').remove(); {make} document.querySelector('main').append(made) }}"
    )
    await page.until(f"{place} !== {json.dumps(before)}")
    await page.run("{ const feed = document.querySelector('[data-sojourn-feed]'); feed.replaceWith(feed.cloneNode()) }")
    await until_shown(page, "card")


async def test_an_element_that_does_not_come_is_reported(world: World) -> None:
    visitor = await world.person()
    await visitor.put("tooltip", **{**KINDS["tooltip"], "anchor": "#never"})
    page = await visitor.open()
    assert await until_sent(page, "failed") == [("failed", "anchor")]
    await visitor.put("banner", **KINDS["banner"])
    await until_shown(page, "banner")


# Withdrawal


async def test_a_card_of_an_ended_journey_leaves_the_open_page(world: World) -> None:
    visitor = await world.person()
    await visitor.put("card", **KINDS["card"])
    page = await visitor.open()
    await until_shown(page, "card")
    asked = len(find_requests(page, "/v1/client/messages"))
    await page.run(
        f"{{ const root = {ROOT.format(kind='feed')}; new MutationObserver(() => {{"
        " if (!root.querySelector('.card')) window.left ??= Date.now() }).observe(root, { childList: true }) }"
    )
    await world.shop.serve("track", userId=visitor.user, event="Order Completed")
    acknowledged = time.time()
    left = await page.until("window.left")
    assert left / 1_000 - acknowledged < 1
    # It was told, and has not asked.
    assert len(find_requests(page, "/v1/client/messages")) == asked


async def test_a_pause_takes_messages_back_and_a_resume_gives_them_again(world: World) -> None:
    visitor = await world.person()
    await visitor.put("banner", **BANNER)
    await visitor.put("card", **KINDS["card"])
    page = await visitor.open()
    await until_shown(page, "banner")
    await until_shown(page, "card")
    assert (await world.shop.operator.post("/v1/campaigns/welcome/pause")).is_success
    await until_gone(page, "banner")
    await until_gone(page, "card")
    assert (await world.shop.operator.post("/v1/campaigns/welcome/resume")).is_success
    await until_shown(page, "banner")
    await until_shown(page, "card")


async def open_until_filled(page: Session, words: str) -> None:
    """Open the page until its slot has the words: a busy machine may miss the time that a slot waits."""
    async for is_last in looks(PATIENCE):
        await page.until(f"{SLOT}.style.visibility === ''")
        if await page.run(f"{SLOT}.textContent.includes({json.dumps(words)})"):
            return
        assert not is_last
        await page.call("Page.reload")
        await page.until("document.readyState === 'complete'")


async def test_a_slot_shows_a_message_until_it_is_taken_back(world: World) -> None:
    visitor = await world.person()
    content: dict[str, Any] = {"text": TEXT, "actions": [GO]}
    message = await put(world.shop.database_url, visitor.user, shape="slot", placement="hero", **content)
    page = await visitor.open()
    await open_until_filled(page, "Sunday")
    await page.run(f"{SLOT}.querySelector('button').click()")
    await world.until_recorded(message, "opened_at", "clicked_at")
    await world.shop.serve("track", userId=visitor.user, event="Order Completed")
    await page.until(f"{SLOT}.textContent.trim() === 'Hand-made lamps from small workshops.'")


async def test_a_banner_stays_from_page_to_page_and_from_user_to_token(world: World) -> None:
    visitor = await world.person()
    # Long enough that a message that had to wait for it would not come.
    await visitor.put("banner", **BANNER, between=86_400)
    page = await visitor.open()
    await until_shown(page, "banner")
    await page.open(f"{world.front.url}/basket")
    await until_shown(page, "banner")
    # A new token begins the script anew on this page: its policy lets no second set of views in.
    token = json.dumps(world.shop.token(visitor.user))
    await page.run(f"({inside('banner', '.box')}).setAttribute('id', 'before')")
    await page.run(f"sojourn.identify({json.dumps(visitor.user)}, {{}}, {{ userToken: {token} }})")
    await until_shown(page, "banner", ".box:not(#before)")
    await click(page, "banner", ".x")
    await until_gone(page, "banner")
    await visitor.put("card", **KINDS["card"])
    await page.open(f"{world.front.url}/")
    await until_shown(page, "card")
    assert not await page.run(f"!!{inside('banner', '.box')}")
