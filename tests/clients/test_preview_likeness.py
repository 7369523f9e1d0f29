"""Previews are what pages show: the same elements, names and texts in the same order, with the same look.

The real script draws on a page of a shop, and the preview is a page of its own.
"""

import copy
import json
from collections.abc import AsyncIterator, Mapping
from difflib import unified_diff
from typing import Any

import pytest

from api.page_scripts import FOLDER, PageScripts
from domain.channels.in_app.channel import InApp
from domain.channels.in_app.labels import labels_of
from tests.clients.devtools import DevTools, Session, devtools
from tests.clients.shop_front import ShopFront, open_front
from tests.docs.test_in_app import BLOCKS, DATA
from tests.domain.channels.in_app.in_app_templates import in_app, render

pytestmark = pytest.mark.takes_long

VIEWS = (FOLDER / "sojourn-views.js").read_text()
# Kinds that have the style of the page itself, or none.
OF_THE_PAGE = ("slot", "custom")
QUESTIONS = [
    "{id: a, type: nps, text: 'How likely is it?', low: Not at all, high: Very, required: true}",
    "{id: b, type: csat, text: 'How was it?', high: Great}",
    "{id: c, type: stars, text: 'How many?'}",
    "{id: d, type: single, text: 'Which one?', options: [{value: x, label: The first}, {value: y, label: The other}]}",
    "{id: e, type: multi, text: 'Which ones?', options: [{value: x, label: The first}], required: true}",
    "{id: f, type: text, text: 'What else?'}",
]
# Colours whose texts are not legible as they are, and square corners.
THEME = 'theme: {mode: dark, background: "#ffe9b0", accent: "#8a8a8a", text: "#dddddd", radius: 0}'

SHOW = """({message, step}) => {
  const nothing = () => {}
  const stage = {
    message, content: message.content, step, react: nothing, leave: nothing, dismiss: nothing, act: nothing,
    follow: nothing, remember: nothing, onEnd: nothing,
  }
  sojournViews.views[message.kind].show(stage, nothing)
}"""
# `box` is one message; the page may move and size it, so only its parts have margins and a place.
BOXES = "document.querySelectorAll('.box')"
# The font of the page, and the room of its feed: messages have them from the page.
ROOM = f"JSON.stringify([getComputedStyle(document.body).fontFamily, {BOXES}[0].getBoundingClientRect().width])"
RESIZE = """(([font, width]) => {
  document.body.style.fontFamily = font
  document.querySelector("[data-sojourn-feed]").style.width = `${width}px`
})"""
DESCRIBE = """(box) => {
  const inner = ["margin-top", "margin-bottom", "margin-left", "margin-right"]
  const properties = [
    "display", "color", "background-color", "font-size", "font-weight", "font-family", "line-height", "letter-spacing",
    "text-align", "text-decoration-line", "direction", "padding-top", "padding-bottom", "padding-left", "padding-right",
    "border-top-width", "border-top-style", "border-top-color", "border-top-left-radius", "border-bottom-right-radius",
    "box-shadow", "row-gap", "column-gap", "flex-direction", "flex-wrap", "justify-content", "align-items", "cursor",
    "fill", "stroke", "stroke-width", "opacity", "color-scheme",
  ]
  const placed = ["id", "aria-labelledby", "style", "href", "src", "open", "data-side"]
  const isSized = !box.querySelector("img")
  return JSON.stringify([box, ...box.querySelectorAll("*")].map((one) => {
    const look = getComputedStyle(one)
    const { width, height } = one.getBoundingClientRect()
    const attributes = [...one.attributes].filter(({ name }) => !placed.includes(name))
    return {
      element: [one.localName, ...attributes.map(({ name, value }) => `${name}=${value}`).sort()].join(" "),
      text: [...one.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data).join("|"),
      ...(one.localName !== "img" &&
        Object.fromEntries([...properties, ...(one === box ? [] : inner)].map((name) => [name, look[name]]))),
      ...(isSized && { size: [Math.round(width), Math.round(height)] }),
    }
  }))
}"""


def messages() -> dict[str, tuple[dict[str, Any], str | None]]:
    """Messages of each kind, with the step at which a tour begins."""
    found: dict[str, tuple[dict[str, Any], str | None]] = {}
    for kind, block in BLOCKS.items():
        if kind not in OF_THE_PAGE:
            found[kind] = render(block, {"first_name": "Ada"}, **DATA), None
    for step in found["tour"][0]["content"]["steps"]:
        found[f"tour {step['id']}"] = found["tour"][0], step["id"]
    for question in QUESTIONS:
        for position in ("corner", "modal"):
            body = f"title: One minute?\nposition: {position}\nquestions: [{question}]\nthanks: '**Thank** you'"
            found[f"survey {question[5]} {position}"] = render(in_app(body, kind="survey")), None
    themed = "title: Sale\ntext: Until [Sunday](/sale).\nactions: [{id: a, label: A}, {id: b, label: B}]"
    found["themed"] = render(in_app(themed, THEME, kind="banner")), None
    return {name: one for name, one in found.items() if name not in ("tour", "survey")}


MESSAGES = messages()
LOOKS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"scheme": "dark"},
    "right to left": {"language": "ar"},
    "phone": {"width": 375},
    "dark phone, right to left": {"scheme": "dark", "language": "he", "width": 375},
}


@pytest.fixture(scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[DevTools, ShopFront]]:
    scripts = PageScripts(scripts=[], tag="", policy="script-src 'none'; connect-src 'none'; img-src 'none'")
    async with devtools(tmp_path_factory.mktemp("browser")) as tools:
        with open_front("", scripts) as front:
            yield tools, front


def in_language(rendered: dict[str, Any], language: str) -> dict[str, Any]:
    """The message as a variant in another language has it."""
    spoken = copy.deepcopy(rendered)
    content = spoken["content"]
    words = {name: text for name, text in labels_of(language).items() if name in content["labels"]}
    content.update(lang=language, dir="rtl", labels=words)
    return spoken


async def open_page(
    tools: DevTools, features: Mapping[str, str] | None = None, *, width: int = 1_000, scheme: str = "light"
) -> Session:
    """Open a page for a person with these settings: features of media queries."""
    page = await tools.page()
    await page.call("Emulation.setDeviceMetricsOverride", width=width, height=2_400, deviceScaleFactor=1, mobile=False)
    given = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce", **(features or {})}
    told = [{"name": name, "value": value} for name, value in given.items()]
    await page.call("Emulation.setEmulatedMedia", features=told)
    return page


async def show(page: Session, rendered: dict[str, Any], step: str | None) -> str:
    """Draw a message by the script; return the expression of its box."""
    message = {"message_id": "m-1", "shown_at": None, "clicked_at": None, **rendered}
    await page.run(f"({SHOW})({json.dumps({'message': message, 'step': step})})")
    return "[...document.querySelectorAll('[data-sojourn]')].at(-1).shadowRoot.querySelector('.box')"


async def describe(page: Session, box: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await page.run(f"({DESCRIBE})({box})"))
    return found


def compare(shown: list[dict[str, Any]], preview: list[dict[str, Any]]) -> list[str]:
    """Return how they differ: in the elements, or in what one of them is like."""
    elements = [[f"{one['element']}: {one['text']}" for one in each] for each in (shown, preview)]
    if elements[0] != elements[1]:
        return list(unified_diff(elements[0], elements[1], "page", "preview", lineterm=""))
    return [
        f"{one['element']}: {key} {value} on the page, {other.get(key)} in the preview"
        for one, other in zip(shown, preview, strict=True)
        for key, value in one.items()
        if value != other.get(key)
    ]


@pytest.mark.parametrize("look", LOOKS)
async def test_a_preview_is_like_the_page(pages: tuple[DevTools, ShopFront], look: str) -> None:
    tools, front = pages
    settings = dict(LOOKS[look])
    language = settings.pop("language", None)
    # The one in front is drawn.
    preview, shown = await open_page(tools, **settings), await open_page(tools, **settings)
    frame = (await preview.call("Page.getFrameTree"))["frameTree"]["frame"]["id"]
    differences = {}
    for name, (written, step) in MESSAGES.items():
        rendered = in_language(written, language) if language else written
        await preview.call("Page.setDocumentContent", frameId=frame, html=InApp().draw_page(rendered))
        steps = [one["id"] for one in rendered["content"].get("steps", ())]
        number = steps.index(step) if step else 0
        expected = await describe(preview, f"{BOXES}[{number}]")
        await shown.open(f"{front.url}/")
        await shown.run(f"{VIEWS}\nvoid 0")
        await shown.run(f"{RESIZE}({await preview.run(ROOM)})")
        box = await show(shown, rendered, step)
        await shown.until(f"!{box}.matches('.away')")
        differences[name] = compare(await describe(shown, box), expected)
        if name.startswith("survey a"):
            # The next box thanks for the answer.
            await shown.run(f"{box}.querySelector('.scale button').click()")
            await shown.until(f"!!{box}.querySelector('.thanks')")
            differences[f"{name}, thanks"] = compare(await describe(shown, box), await describe(preview, f"{BOXES}[1]"))
    assert {name: found for name, found in differences.items() if found} == {}
