"""A browser that a test leads, by the DevTools protocol."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.clients.test_browsers import browser
from tests.harness import PATIENCE, looks

MAX_BYTES = 1 << 24


class LostPageError(Exception):
    """The page of a call was left before its answer."""


class Session:
    """One target of the browser: a page, or a service worker."""

    def __init__(self, tools: "DevTools", id: str) -> None:
        self._tools = tools
        self._id = id

    @property
    def events(self) -> list[dict[str, Any]]:
        return [one for one in self._tools.events if one.get("sessionId") == self._id]

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        return await self._tools.call(method, self._id, **params)

    async def run(self, script: str) -> Any:
        """The value of an expression, once it is there."""
        found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    async def until(self, script: str) -> Any:
        """The first value of an expression that is true, also across pages."""
        async for is_last in looks(PATIENCE):
            found: dict[str, Any] = {"result": {}}
            with suppress(LostPageError):
                found = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
            if "exceptionDetails" not in found and found["result"].get("value"):
                return found["result"]["value"]
            assert not is_last, (script, await self.run("document.body?.innerText"))

    async def open(self, url: str) -> None:
        """Open a page, and wait until it is loaded."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href.startsWith({json.dumps(url)}) && document.readyState === 'complete'")


class Tab:
    """A tab, which has a page, and perhaps another one that is made ready."""

    page: Session

    def __init__(self, tools: "DevTools", session: Session) -> None:
        self._tools, self._session = tools, session

    async def begin(self) -> None:
        await self._session.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=True)
        self.page = await self._find(None)

    async def prerendered(self) -> Session:
        """The page that is made ready, once there is one."""
        return await self._find("prerender")

    async def _find(self, subtype: str | None) -> Session:
        async for is_last in looks(PATIENCE):
            for event in self._session.events:
                given = event["params"]
                if event["method"] == "Target.attachedToTarget" and given["targetInfo"].get("subtype") == subtype:
                    page = Session(self._tools, given["sessionId"])
                    await page.call("Page.enable")
                    return page
            assert not is_last, f"no page of subtype {subtype}"
        raise AssertionError


class DevTools:
    """The connection to a browser. `events` are those of all its targets so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []

    async def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": params}
        await self._connection.send(json.dumps(message if session is None else {**message, "sessionId": session}))
        async with asyncio.timeout(PATIENCE):
            found = await answer
        if "navigated" in found.get("error", {}).get("message", ""):
            raise LostPageError
        assert "error" not in found, (method, found["error"])
        result: dict[str, Any] = found["result"]
        return result

    async def attach(self, target: str) -> Session:
        found = await self.call("Target.attachToTarget", targetId=target, flatten=True)
        return Session(self, found["sessionId"])

    async def person(self) -> str:
        """The browser of another person, with a storage of its own."""
        made = await self.call("Target.createBrowserContext", disposeOnDetach=True)
        return str(made["browserContextId"])

    async def page(self, person: str | None = None) -> Session:
        """A new page."""
        whose = {} if person is None else {"browserContextId": person}
        made = await self.call("Target.createTarget", url="about:blank", **whose)
        page = await self.attach(made["targetId"])
        await page.call("Page.enable")
        return page

    async def tab(self, person: str | None = None) -> "Tab":
        """A new tab, whose pages may be made ready before someone opens them."""
        whose = {} if person is None else {"browserContextId": person}
        made = await self.call("Target.createTarget", url="about:blank", forTab=True, **whose)
        tab = Tab(self, await self.attach(made["targetId"]))
        await tab.begin()
        return tab

    async def worker(self, url: str) -> Session:
        """The running service worker of a script."""
        async for is_last in looks(PATIENCE):
            targets = (await self.call("Target.getTargets"))["targetInfos"]
            found = [one["targetId"] for one in targets if (one["type"], one["url"]) == ("service_worker", url)]
            if found:
                return await self.attach(found[0])
            assert not is_last, f"no service worker of {url}"
        raise AssertionError

    async def read(self) -> None:
        """Read answers and events until the connection closes."""
        async for text in self._connection:
            message = json.loads(text)
            if "id" in message:
                waiting = self._waiting.pop(message["id"])
                if not waiting.done():
                    waiting.set_result(message)
            else:
                self.events.append(message)


@asynccontextmanager
async def devtools(folder: Path) -> AsyncIterator[DevTools]:
    """A browser with nothing open."""
    async with browser(folder, "about:blank"):
        port, path = await _find_address(folder / "DevToolsActivePort")
        async with connect(f"ws://127.0.0.1:{port}{path}", max_size=MAX_BYTES, proxy=None) as connection:
            tools = DevTools(connection)
            reading = asyncio.create_task(tools.read())
            try:
                yield tools
            finally:
                reading.cancel()


async def _find_address(file: Path) -> tuple[int, str]:
    async for is_last in looks(PATIENCE):
        lines = await asyncio.to_thread(_read_lines, file)
        if len(lines) == 2:
            return int(lines[0]), lines[1]
        assert not is_last, "the browser says no port"
    raise AssertionError


def _read_lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []
