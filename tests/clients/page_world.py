"""A shop whose visitors are in a real browser, and what a test sees and does there."""

import json
from typing import Any

from tests.api.inboxes import put
from tests.api.shop import Shop
from tests.clients.devtools import DevTools, LostPageError, Session
from tests.clients.shop_front import ShopFront
from tests.harness import PATIENCE, looks

TEXT = [{"t": "p", "c": [{"t": "text", "v": "Until "}, {"t": "b", "c": [{"t": "text", "v": "<b>Sunday</b>"}]}]}]
CLOSE = {"id": "later", "label": "Later", "style": "secondary", "dismiss": True}
GO = {"id": "go", "label": "Show me", "style": "primary", "dismiss": False}
ROOT = "document.querySelector('[data-sojourn={kind}]')?.shadowRoot"
BANNER: dict[str, Any] = {"title": "Free delivery", "text": TEXT, "actions": [GO, CLOSE], "position": "bottom"}


class World:
    """A deployment, the shop's web server, and one browser for all of them."""

    def __init__(self, shop: Shop, front: ShopFront, tools: DevTools) -> None:
        self.shop, self.front, self.tools = shop, front, tools
        self._count = 0

    async def person(self) -> "Visitor":
        """A user in a journey, in a browser of their own."""
        self._count += 1
        user = f"u-{self._count}"
        await self.shop.serve("track", userId=user, event="Signed Up")
        return Visitor(self, user, await self.tools.person())

    async def put(self, user: str, kind: str, **content: Any) -> str:
        # Without a quiet time: what the tests show follows at once.
        given = {"text": TEXT, "theme": {"mode": "auto"}, "dir": "ltr", "labels": {}, "between": 0, **content}
        placement = "news" if kind == "card" else None
        return await put(self.shop.database_url, user, shape=kind, placement=placement, **given)

    async def until_recorded(self, message: str, *columns: str) -> None:
        """Wait until the ledger has these instants of a message."""
        async for is_last in looks(PATIENCE):
            found = await self.shop.query(f"SELECT {', '.join(columns)} FROM messages WHERE id = %s", message)  # noqa: S608
            if all(value is not None for value in found[0].values()):
                return
            assert not is_last, found


class Visitor:
    """A person, and their browser."""

    def __init__(self, world: World, user: str, context: str) -> None:
        self.world, self.user, self.context = world, user, context

    async def open(self, path: str = "/", **attributes: str) -> Session:
        """Open a page of the shop in another tab."""
        given = {"key": self.world.shop.key["token"], "user-token": self.world.shop.token(self.user), **attributes}
        self.world.front.attributes = " ".join(f'data-{name}="{value}"' for name, value in given.items())
        page = await self.world.tools.page(self.context)
        await page.call("Runtime.enable")
        await page.call("Network.enable")
        await page.open(f"{self.world.front.url}{path}")
        return page

    async def put(self, kind: str, **content: Any) -> str:
        return await self.world.put(self.user, kind, **content)


def reactions(page: Session) -> list[tuple[str, ...]]:
    """The reactions that a page has sent, each once: the kind, and what it was about."""
    sent = [
        one
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
        and event["params"]["request"]["url"].endswith("/v1/client/reactions")
        and "postData" in event["params"]["request"]
        for one in json.loads(event["params"]["request"]["postData"])["reactions"]
    ]
    about = [(one["kind"], one.get("action") or one.get("reason") or one.get("answers")) for one in sent]
    return list(
        dict.fromkeys((kind, json.dumps(what) if isinstance(what, dict) else what or "") for kind, what in about)
    )


async def until_sent(page: Session, *kinds: str) -> list[tuple[str, ...]]:
    """Wait until a page has sent reactions of these kinds, and no others."""
    async for is_last in looks(PATIENCE):
        found = reactions(page)
        if [kind for kind, _ in found] == list(kinds):
            return found
        assert not is_last, found
    raise AssertionError


def inside(kind: str, selector: str) -> str:
    return f"{ROOT.format(kind='feed' if kind == 'card' else kind)}?.querySelector({json.dumps(selector)})"


async def until_shown(page: Session, kind: str, selector: str = ".box") -> None:
    await page.until(f"!!{inside(kind, selector)}")


async def until_gone(page: Session, kind: str) -> None:
    await page.until(f"!{inside(kind, '.box')}")


async def click(page: Session, kind: str, selector: str) -> None:
    """Click as a person does: where the element comes to rest, and again if it moved away meanwhile."""
    await until_shown(page, kind, selector)
    script = f"""
        (async element => {{
          window.isHit = false
          element.addEventListener("click", () => {{ window.isHit = true }}, {{once: true, capture: true}})
          element.scrollIntoView({{block: "nearest"}})
          for (let before = ""; ; await new Promise(resolve => setTimeout(resolve, 50))) {{
            const {{x, y, width, height}} = element.getBoundingClientRect()
            const place = JSON.stringify([x + width / 2, y + height / 2])
            if (place === before) return place
            before = place
          }}
        }})({inside(kind, selector)})
    """
    async for is_last in looks(PATIENCE):
        x, y = json.loads(await page.run(script))
        try:
            for type in ("mousePressed", "mouseReleased"):
                await page.call("Input.dispatchMouseEvent", type=type, x=x, y=y, button="left", clickCount=1)
            if await page.run("window.isHit !== false"):
                return
        except LostPageError:
            # It has led to another page.
            return
        assert not is_last, (kind, selector)


async def press(page: Session, key: str) -> None:
    code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
    # A button hears of the letter.
    text = {"text": "\r"} if key == "Enter" else {}
    for type, more in (("keyDown", text), ("keyUp", {})):
        await page.call("Input.dispatchKeyEvent", type=type, key=key, code=key, windowsVirtualKeyCode=code, **more)


def find_requests(page: Session, path: str) -> list[dict[str, Any]]:
    """The requests that a page has sent to a path, but for preflights."""
    return [
        event["params"]["request"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
        and path in event["params"]["request"]["url"]
        and event["params"]["request"]["method"] != "OPTIONS"
    ]


async def until_refused(page: Session, path: str) -> None:
    """Wait until a page was told that it may not ask."""
    async for is_last in looks(PATIENCE):
        if any(
            path in event["params"]["response"]["url"] and event["params"]["response"]["status"] == 403
            for event in page.events
            if event["method"] == "Network.responseReceived"
        ):
            return
        assert not is_last, path
