"""A page of the console in the hands of a person: its mouse, its keyboard, and what it shows."""

import json
from typing import Any, Final

from tests.clients.devtools import DevTools, Session

_KEYS: Final = {"Enter": 13, "Tab": 9, "Escape": 27, "End": 35, "Home": 36, "Delete": 46, "a": 65, "z": 90}
_MODIFIERS: Final = {"Control": 2, "Shift": 8}
_TEXTS: Final = {"Enter": "\r"}
LOADED: Final = "document.querySelector('main h1, main .notice') && !document.querySelector('.skeleton')"
# Within an open dialog, since the page behind it takes no clicks.
_FIND: Final = """
((text) => {
  const root = document.querySelector("dialog[open]") ?? document
  const all = [...root.querySelectorAll("button, a, label, summary, .field")]
  return all.find((one) => one.innerText.trim() === text && !one.disabled)
})(TEXT)
"""
# Once it has stood still for two frames, and nothing covers it: a drawing that is fitted anew still moves.
_PLACE: Final = """
(async () => {
  const found = FOUND
  if (!found) return null
  found.scrollIntoView({ block: "center", behavior: "instant" })
  const before = found.getBoundingClientRect()
  for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame)
  const { x, y, width, height } = found.getBoundingClientRect()
  if (!found.isConnected || !width || x !== before.x || y !== before.y) return null
  const place = { x: x + width / 2, y: y + height / 2 }
  const hit = found.getRootNode().elementFromPoint(place.x, place.y)
  return (found.contains(hit) || hit?.contains(found)) && place
})()
"""
_FOCUSED: Final = """
(() => {
  let found = document.activeElement
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement
  return found === document.body ? null : (found?.getAttribute("aria-label") ?? found?.innerText.trim())
})()
"""


class ConsolePage:
    """A page of one person, with a storage of its own."""

    def __init__(self, page: Session, url: str) -> None:
        self.page, self.url = page, url

    @classmethod
    async def open(cls, tools: DevTools, url: str) -> "ConsolePage":
        page = await tools.page(await tools.person())
        await page.call("Runtime.enable")
        await page.call("Log.enable")
        await page.call("Network.enable")
        return cls(page, url)

    async def log_in(self, key: str) -> None:
        """Log in by the keyboard; the field has the focus."""
        await self.page.open(f"{self.url}/console")
        await self.page.until("document.activeElement?.name === 'key'")
        await self.type(key)
        await self.press("Enter")
        await self.page.until("document.querySelector('main h1')?.innerText === 'Campaigns'")

    async def show(self, address: str) -> None:
        await self.page.open(f"{self.url}/console{address}")
        await self.page.until(LOADED)

    async def click(self, text: str) -> None:
        """Click what has this text, once it is there, where a mouse does."""
        await self.click_on(_FIND.replace("TEXT", json.dumps(text)))

    async def click_on(self, expression: str) -> None:
        place = await self.page.until(_PLACE.replace("FOUND", f"({expression})"))
        for kind in ("mousePressed", "mouseReleased"):
            await self.page.call("Input.dispatchMouseEvent", type=kind, **place, button="left", clickCount=1)

    async def fill(self, label: str, text: str) -> None:
        """Replace what a field has."""
        field = f"({_FIND.replace('TEXT', json.dumps(label))})?.querySelector('input')"
        await self.page.until(f"{field} && ({field}.focus(), true)")
        await self.press("a", "Control")
        await self.type(text)

    async def type(self, text: str) -> None:
        await self.page.call("Input.insertText", text=text)

    async def press(self, key: str, *modifiers: str) -> None:
        code = f"Key{key.upper()}" if len(key) == 1 else key
        given: dict[str, Any] = {"key": key, "code": code, "windowsVirtualKeyCode": _KEYS[key]}
        given["modifiers"] = sum(_MODIFIERS[each] for each in modifiers)
        text = {} if modifiers or key not in _TEXTS else {"text": _TEXTS[key]}
        await self.page.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **given, **text)
        await self.page.call("Input.dispatchKeyEvent", type="keyUp", **given)

    async def focused(self) -> str | None:
        """Return the name of what has the focus."""
        found: str | None = await self.page.run(_FOCUSED)
        return found

    async def tab_to(self, name: str) -> None:
        """Go on by the Tab key until this has the focus."""
        seen = []
        for _ in range(80):
            await self.press("Tab")
            seen.append(await self.focused())
            if seen[-1] == name:
                return
        raise AssertionError((name, seen))

    async def until_shown(self, text: str, where: str = "main") -> None:
        """Wait until a text is shown."""
        find = f"document.querySelector({json.dumps(where)})?.innerText.includes({json.dumps(text)})"
        await self.page.until(find)

    async def until_closed(self) -> None:
        """Wait until the dialog is gone, and the keyboard has a place to go on from."""
        await self.page.until("!document.querySelector('dialog[open]') && document.activeElement !== document.body")

    async def read(self, where: str = "main") -> str:
        found: str = await self.page.run(f"document.querySelector({json.dumps(where)}).innerText")
        return found

    async def fetch(self, method: str, path: str, body: Any = None) -> int:
        """Call the API as a script of the page does; the status."""
        request: dict[str, Any] = {"method": method}
        if body is not None:
            request |= {"headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
        status: int = await self.page.run(
            f"fetch({json.dumps(path)}, {json.dumps(request)}).then(answer => answer.status)"
        )
        return status

    async def cookie(self) -> str | None:
        """Return the value of the session's cookie, which no script reads."""
        cookies = (await self.page.call("Network.getCookies", urls=[self.url]))["cookies"]
        return next((each["value"] for each in cookies if each["name"] == "__Host-sojourn"), None)
