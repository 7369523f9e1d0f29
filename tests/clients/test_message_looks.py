"""How messages look and are used on a page, whatever a person has set: dark, right to left, without motion, by keys.

The real script draws them on a page of a shop.
"""

import json
from typing import Any

import pytest

from tests.clients.axe import find_faults, keep_axe
from tests.clients.devtools import DevTools, Session
from tests.clients.page_world import press
from tests.clients.shop_front import ShopFront
from tests.clients.test_preview_likeness import LOOKS, MESSAGES, VIEWS, in_language, open_page, show
from tests.clients.test_preview_likeness import pages as pages

pytestmark = pytest.mark.takes_long

# One of each look.
NAMES = (
    *("banner", "modal", "tooltip", "card", "tour search", "themed"),
    *("survey a corner", "survey b modal", "survey d corner", "survey e modal", "survey f corner"),
)
CONTRAST: dict[str, dict[str, Any]] = {
    "more contrast": {"features": {"prefers-contrast": "more"}},
    "forced colours": {"features": {"forced-colors": "active"}},
}
INSIDE = "document.querySelector('[data-sojourn]').shadowRoot"


async def show_one(page: Session, front: ShopFront, name: str, language: str | None = None) -> str:
    """Draw a message on a page that was just opened; return the expression of its box."""
    rendered, step = MESSAGES[name]
    await page.open(f"{front.url}/")
    await page.run(f"{VIEWS}\nvoid 0")
    box = await show(page, in_language(rendered, language) if language else rendered, step)
    await page.until(f"!{box}.matches('.away')")
    return box


@pytest.mark.parametrize("look", LOOKS | CONTRAST)
async def test_no_rule_of_wcag_is_broken(pages: tuple[DevTools, ShopFront], look: str) -> None:
    tools, front = pages
    settings = dict((LOOKS | CONTRAST)[look])
    language = settings.pop("language", None)
    page = await open_page(tools, **settings)
    await keep_axe(page)
    faults = {}
    for name in NAMES:
        await show_one(page, front, name, language)
        faults[name] = await find_faults(page)
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(("language", "far"), [(None, "right"), ("ar", "left")])
async def test_the_order_is_that_of_the_script(
    pages: tuple[DevTools, ShopFront], language: str | None, far: str
) -> None:
    tools, front = pages
    page = await open_page(tools)
    side = "(one) => { const {left, right} = one.getBoundingClientRect(); return (left + right) / 2 }"
    for name, first, last in (
        ("banner", ".title", ".act"),
        ("banner", ".act", ".x"),
        ("modal", ".act:first-child", ".act:last-child"),
        ("card", ".title", ".x"),
        ("tour search", ".count", ".primary"),
        ("survey a corner", ".scale button:first-child", ".scale button:last-child"),
        ("survey a corner", ".ends span:first-child", ".ends span:last-child"),
        ("survey e modal", ".option input", ".option span"),
    ):
        box = await show_one(page, front, name, language)
        one, other = [await page.run(f"({side})({box}.querySelector('{each}'))") for each in (first, last)]
        assert (one < other) is (far == "right"), (name, first, last)
        assert await page.run(f"getComputedStyle({box}).direction") == ("ltr" if language is None else "rtl")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
async def test_nothing_moves_for_those_who_want_that(pages: tuple[DevTools, ShopFront], motion: str) -> None:
    tools, front = pages
    page = await open_page(tools, {"prefers-reduced-motion": motion})
    moving = (
        f"[...{INSIDE}.querySelectorAll('*')].map((one) => getComputedStyle(one)).filter((style) =>"
        " style.animationName !== 'none' || style.transitionDuration.split(', ').some((time) => time !== '0s')).length"
    )
    for name in NAMES:
        await show_one(page, front, name)
        assert (await page.run(moving) == 0) is (motion == "reduce"), name


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_buttons_differ_where_colours_are_forced(pages: tuple[DevTools, ShopFront], scheme: str) -> None:
    tools, front = pages
    page = await open_page(tools, {"forced-colors": "active"}, scheme=scheme)
    look = "(one, name) => getComputedStyle(one)[name]"
    box = await show_one(page, front, "themed")
    first, second = [f"{box}.querySelector('.{style}')" for style in ("primary", "secondary")]
    colours = [await page.run(f"({look})({one}, 'backgroundColor')") for one in (first, second, box)]
    assert colours[0] not in colours[1:]
    # Not those of the theme, which is dark and has a light background.
    assert colours[2] == {"light": "rgb(255, 255, 255)", "dark": "rgb(0, 0, 0)"}[scheme]
    for one in (box, second):
        assert await page.run(f"({look})({one}, 'borderTopColor')") not in colours[1:]
    box = await show_one(page, front, "survey e modal")
    send = f"{box}.querySelector('.primary')"
    before = await page.run(f"({look})({send}, 'color')")
    await page.run(f"{box}.querySelector('input').click()")
    assert await page.run(f"({look})({send}, 'color')") != before


@pytest.mark.parametrize("name", NAMES)
async def test_keys_reach_every_control_and_it_is_seen_where_they_are(
    pages: tuple[DevTools, ShopFront], name: str
) -> None:
    tools, front = pages
    page = await open_page(tools)
    box = await show_one(page, front, name)
    controls = f"[...{box}.querySelectorAll('a, button, input, textarea')].filter((one) => !one.disabled)"
    expected = await page.run(f"{controls}.length")
    # Where a person is who has just come to the message.
    await page.run(f"{box}.setAttribute('tabindex', '-1'), {box}.focus()")
    active = f"{INSIDE}.activeElement"
    reached = []
    for _ in range(expected):
        await press(page, "Tab")
        reached.append(await page.run(f"{controls}.indexOf({active})"))
        style = json.loads(
            await page.run(
                f"(({{outlineStyle: a, outlineWidth: b}}) => JSON.stringify([a, b]))(getComputedStyle({active}))"
            )
        )
        assert style == ["solid", "2px"], (name, reached)
    assert reached == list(range(expected))


async def test_keys_answer_a_survey(pages: tuple[DevTools, ShopFront]) -> None:
    tools, front = pages
    page = await open_page(tools)
    box = await show_one(page, front, "survey a corner")
    await page.run(f"{box}.querySelector('.scale button').focus()")
    await press(page, "Tab")
    await press(page, "Enter")
    await page.until(f"!!{box}.querySelector('.thanks')")
    # The focus stays in the message, so that those who hear it go on there.
    assert await page.run(f"{INSIDE}.activeElement.className") == "main"
