"""The console where answers are lost, and where the API has become another release."""

import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from api.console import FOLDER, ConsoleFiles
from tests.clients.console_page import ConsolePage
from tests.clients.console_site import Console, errors_of
from tests.harness import ADMIN_KEY, PATIENCE, looks

KEYS: Final = "*/v1/keys"


async def open_page(console: Console, address: str) -> ConsolePage:
    page = await ConsolePage.open(console.tools, console.url)
    await page.log_in(ADMIN_KEY)
    await page.show(address)
    return page


async def hold_answer(page: ConsolePage, number: int) -> str:
    """Wait until the API has given the answer of a call, which the page has not; its id."""
    async for is_last in looks(PATIENCE):
        paused = [one["params"] for one in page.page.events if one["method"] == "Fetch.requestPaused"]
        if len(paused) >= number:
            break
        assert not is_last, paused
    assert paused[-1]["responseStatusCode"] == 201
    return str(paused[-1]["requestId"])


async def lose_answer(page: ConsolePage, number: int) -> None:
    held = await hold_answer(page, number)
    await page.page.call("Fetch.failRequest", requestId=held, errorReason="ConnectionReset")
    await page.until_shown("No answer", "dialog[open]")


async def names_of_keys(console: Console) -> list[str]:
    keys = (await console.shop.operator.get("/v1/keys")).json()["keys"]
    return sorted(key["name"] for key in keys if key["name"].startswith("Lost"))


async def test_a_repeat_after_a_lost_answer_acts_once(console: Console) -> None:
    page = await open_page(console, "/keys")
    await page.page.call("Fetch.enable", patterns=[{"urlPattern": KEYS, "requestStage": "Response"}])
    await page.click("New key")
    await page.fill("Name", "Lost")
    await page.click("New key")
    await lose_answer(page, 1)
    await page.click("New key")
    await lose_answer(page, 2)
    assert await names_of_keys(console) == ["Lost"]
    # Another form is another act.
    await page.fill("Name", "Lost too")
    await page.click("New key")
    await lose_answer(page, 3)
    assert await names_of_keys(console) == ["Lost", "Lost too"]
    await page.page.call("Fetch.disable")
    await page.click("New key")
    await page.until_shown("Revoke Lost too, and make another one", "dialog[open]")
    await page.click("Close")
    await page.until_closed()
    # So is that of a dialog that is opened again.
    await page.click("New key")
    await page.fill("Name", "Lost too")
    await page.click("New key")
    await page.page.until("document.querySelector('dialog[open] input[readonly]')?.value")
    assert await names_of_keys(console) == ["Lost", "Lost too", "Lost too"]
    assert errors_of(page.page) == []


async def test_an_answer_after_its_dialog_was_closed_is_not_of_the_next(console: Console) -> None:
    page = await open_page(console, "/keys")
    await page.page.call("Fetch.enable", patterns=[{"urlPattern": KEYS, "requestStage": "Response"}])
    await page.click("New key")
    await page.fill("Name", "Early")
    await page.click("New key")
    held = await hold_answer(page, 1)
    await page.click("Cancel")
    await page.until_closed()
    await page.click("New key")
    await page.fill("Name", "Later")
    await page.page.call("Fetch.continueRequest", requestId=held)
    # The page has the answer, and the dialog is as it was.
    await page.until_shown("Early")
    await page.click("New key")
    await page.page.call("Fetch.continueRequest", requestId=await hold_answer(page, 2))
    await page.page.until("document.querySelector('dialog[open] input[readonly]')?.value")
    await page.click("Close")
    await page.until_shown("Later")
    assert errors_of(page.page) == []


def release(folder: Path, name: str) -> ConsoleFiles:
    """Build another release: each asset with another name, as a change of each would give it."""
    shutil.copytree(FOLDER, folder)
    names = {path.name: re.sub(r"-[\w-]{8}\.", f"-{name}.", path.name) for path in (folder / "assets").iterdir()}
    changed = {old: new for old, new in names.items() if old != new}
    for path in [folder / "index.html", *(folder / "assets").iterdir()]:
        text = path.read_text()
        for old, new in changed.items():
            text = text.replace(old, new)
        path.write_text(text)
    for old, new in changed.items():
        (folder / "assets" / old).rename(folder / "assets" / new)
    return ConsoleFiles(folder)


async def test_a_page_of_an_older_release_goes_on_with_the_new_one(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await open_page(console, "/campaigns")
    state: Any = console.shop.app.state
    monkeypatch.setattr(state, "console_files", release(tmp_path / "dist", "upgrade1"))
    await page.page.run("window.before = true")
    await page.click_on("document.querySelector('nav a[href=\"/console/keys\"]')")
    await page.until_shown("Keys", "main h1")
    assert await page.page.run("window.before === undefined && location.pathname === '/console/keys'")
    loaded = await page.page.run("performance.getEntriesByType('resource').map(one => one.name)")
    assert any("upgrade1" in name for name in loaded)
