"""A text in an editor of the console is not lost: by the way to another page, a reload, or the end of the session."""

from typing import Final

import pytest

from tests.clients.console_editor import EDITOR, LAST_LINE
from tests.clients.console_page import ConsolePage
from tests.clients.console_stage import Stage
from tests.harness import ADMIN_KEY, PATIENCE, looks

TEXT: Final = f"{EDITOR}?.querySelector('.cm-content')?.innerText"
IS_DIALOG: Final = "!!document.querySelector('dialog[open]')"


async def write(page: ConsolePage, text: str = "# mine") -> None:
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.press("Enter")
    await page.type(text)
    await page.page.until(f"{TEXT}.includes({text!r})")


@pytest.mark.parametrize("address", ["/documents/new", "/documents/new-segment", "/documents/frequency-caps"])
async def test_a_text_stays_until_the_person_leaves_it(stage: Stage, address: str) -> None:
    page = await stage.page()
    await page.show("/segments")
    await page.page.run(f"__TSR_ROUTER__.navigate({{to: '{address}'}})")
    await page.page.until(TEXT)
    # Unchanged, it holds nothing back.
    await page.click("People")
    await page.until_shown("People", "main h1")
    await page.page.run("history.back()")
    await page.page.until(TEXT)
    await write(page)
    await page.click("People")
    await page.until_shown("are not applied. If you leave, they are lost.", "dialog[open]")
    await page.press("Escape")
    await page.until_closed()
    assert "# mine" in await page.page.run(TEXT)
    await page.page.run("history.back()")
    await page.page.until(IS_DIALOG)
    await page.click("Stay")
    await page.until_closed()
    assert await page.page.run("location.pathname") == f"/console{address}"
    assert "# mine" in await page.page.run(TEXT)
    await page.page.run("history.back()")
    await page.page.until(IS_DIALOG)
    await page.click("Leave")
    await page.until_shown("Segments", "main h1")
    await page.page.run("history.forward()")
    await page.page.until(TEXT)
    assert "# mine" not in await page.page.run(TEXT)


async def test_a_tab_of_a_campaign_drops_no_text(stage: Stage) -> None:
    await stage.begin("tabbed")
    page = await stage.page()
    await page.show("/campaigns/tabbed?tab=document")
    await write(page)
    await page.click("Versions")
    await page.until_shown("The changes of campaign.yaml are not applied", "dialog[open]")
    await page.click("Stay")
    await page.until_closed()
    # Applied, it holds nothing back.
    await page.click("Plan")
    await page.click("Apply")
    await stage.harness.until("SELECT 1 FROM campaign_versions WHERE campaign_key = 'tabbed' AND version = 2")
    await page.until_shown("Applied.")
    await page.click("Versions")
    await page.page.until("!!document.querySelector('table caption')")


async def test_the_browser_asks_before_it_unloads_a_text(stage: Stage) -> None:
    page = await stage.page()
    await page.show("/documents/new")
    await page.page.until(TEXT)
    await write(page)
    await page.page.call("Runtime.evaluate", expression="setTimeout(() => location.reload())")
    async for is_last in looks(PATIENCE):
        asked = [one for one in page.page.events if one["method"] == "Page.javascriptDialogOpening"]
        if asked:
            break
        assert not is_last, "the browser asks nothing"
    assert [one["params"]["type"] for one in asked] == ["beforeunload"]
    await page.page.call("Page.handleJavaScriptDialog", accept=False)
    assert "# mine" in await page.page.run(TEXT)


async def test_a_lost_session_says_so_and_leads_back_to_the_text(stage: Stage) -> None:
    made = await stage.harness.admin("POST", "/v1/keys", {"name": "Eve", "scopes": ["operate"]})
    page = await stage.page(made["token"])
    await page.show("/documents/new")
    await page.page.until(TEXT)
    await write(page)
    await stage.harness.admin("DELETE", f"/v1/keys/{made['id']}")
    await page.click("Plan")
    await page.until_shown("Your session has ended")
    assert await page.page.run("location.pathname") == "/console/documents/new"
    # A text is of the person who wrote it.
    await page.type(ADMIN_KEY)
    await page.press("Enter")
    await page.page.until(TEXT)
    assert "# mine" not in await page.page.run(TEXT)
    assert await page.page.run("location.pathname") == "/console/documents/new"
    await page.click("Sign out")
    await page.page.until("document.activeElement?.name === 'key'")
    assert "Your session has ended" not in await page.read()


async def test_a_text_outlives_its_session(stage: Stage) -> None:
    made = await stage.harness.admin("POST", "/v1/keys", {"name": "Mallory", "scopes": ["operate"]})
    page = await stage.page(made["token"])
    await page.show("/documents/new")
    await page.page.until(TEXT)
    await write(page)
    session = (await stage.harness.admin("GET", "/v1/sessions?limit=1"))["sessions"][0]
    assert session["actor"]["name"] == "Mallory"
    await stage.harness.admin("DELETE", f"/v1/sessions/{session['id']}")
    await page.click("Plan")
    await page.until_shown("Your session has ended")
    await page.type(made["token"])
    await page.press("Enter")
    await page.until_shown("This is your text from before your session ended.")
    assert "# mine" in await page.page.run(TEXT)
    # Once: a person who leaves it finds the text as it was.
    await page.click("People")
    await page.click("Leave")
    await page.until_shown("People", "main h1")
    await page.page.run("history.back()")
    await page.page.until(TEXT)
    assert "# mine" not in await page.page.run(TEXT)
