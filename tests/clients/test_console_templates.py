"""Write the templates of a campaign in the console: added, mended, seen and applied with the document."""

from typing import Final

from tests.clients.console_editor import EDITOR, LAST_LINE
from tests.clients.console_page import ConsolePage
from tests.clients.console_stage import Stage, campaign
from tests.harness import MAIL, PATIENCE, looks

CONTENT: Final = f"{EDITOR}?.querySelector('.cm-content')"
SCRIPT: Final = "<script>top.attacked=1</script><img src=x onerror='top.attacked=1'>"


async def write(page: ConsolePage, text: str) -> None:
    """Replace the text of the file that is shown."""
    await page.click_on(LAST_LINE)
    await page.press("a", "Control")
    await page.type(text)


async def show_file(page: ConsolePage, name: str) -> None:
    button = (
        f"[...document.querySelectorAll('[aria-label=Files] button')].find(one => one.innerText.startsWith('{name}'))"
    )
    await page.click_on(button)
    await page.page.until(f"{CONTENT}?.ariaLabel === '{name}'")


async def read_frame(page: ConsolePage, text: str) -> None:
    """Wait until the frame of the message has a text."""
    async for is_last in looks(PATIENCE):
        targets = (await page.page._tools.call("Target.getTargets"))["targetInfos"]
        [frame] = [one for one in targets if one["url"].endswith("/console/message")] or [None]
        if frame is not None:
            found = await (await page.page._tools.attach(frame["targetId"])).run("document.body?.innerText")
            if text in (found or ""):
                return
        assert not is_last, targets


async def test_a_campaign_that_sends_is_written_whole(stage: Stage) -> None:
    page = await stage.page()
    await page.show("/documents/new")
    await write(page, campaign("written").replace("template: note", "template: offer"))
    await page.until_shown("There is no template offer.liquid", "[aria-label=Problems]")
    await page.click("Add template")
    await page.fill("File name", "welcome.liquid")
    await page.click("Add")
    await page.until_shown("There is a file welcome.liquid already.", "dialog[open]")
    await page.fill("File name", "offer")
    await page.press("Enter")
    await page.page.until(f"{CONTENT}?.ariaLabel === 'offer.liquid'")
    await write(page, MAIL.replace("A note for", "An offer {{ nope }} for"))
    # Its problems are on its lines, and lead there from another file.
    await page.until_shown("offer.liquid:", "[aria-label=Problems]")
    await show_file(page, "campaign.yaml")
    await page.click_on("document.querySelector('[aria-label=Problems] button')")
    await page.page.until(f"{CONTENT}?.ariaLabel === 'offer.liquid'")
    await page.page.until(f"{EDITOR}.querySelector('.cm-lint-marker-error')")
    await write(page, MAIL.replace("A note for", "An offer for"))
    await show_file(page, "welcome.liquid")
    await page.click("Remove welcome.liquid")
    await page.until_shown("The text in the editor is dropped", "dialog[open]")
    await page.click("Remove")
    await page.until_closed()
    await page.page.until(f"{CONTENT}?.ariaLabel === 'campaign.yaml'")
    await page.click("Plan")
    await page.until_shown("Makes version 1")
    await page.click("Apply")
    await page.until_shown("written", "main h1")
    version = await stage.harness.admin("GET", "/v1/campaigns/written/versions/1")
    assert list(version["templates"]) == ["offer.liquid"]
    assert "An offer for" in version["templates"]["offer.liquid"]


async def test_a_message_is_seen_as_it_is_typed(stage: Stage) -> None:
    await stage.begin("seen")
    await stage.harness.identify("u-seen", email="seen@example.com", first_name="Grace")
    page = await stage.page()
    await page.show("/campaigns/seen?tab=document")
    await page.click("Preview")
    await page.until_shown("A note for", "[aria-label=Preview]")
    await show_file(page, "note.liquid")
    html = "<p style='color: rgb(1, 2, 3)'>Dear {{ profile.traits.first_name }}</p>"
    await write(page, f"---\nchannel: email\nfrom: a@example.com\nsubject: Typed\ntext: T\n---\n{SCRIPT}{html}\n")
    await page.until_shown("Typed", "[aria-label=Preview]")
    await page.fill("As the user (scope people)", "u-seen")
    await page.click("Show")
    await page.until_shown("with the values of the person", "[aria-label=Preview]")
    await read_frame(page, "Dear Grace")
    assert not await page.page.run("window.attacked")
    # A look at a person is in the audit log.
    assert "user.read" in await stage.audited("u-seen")
    # The policy of the console allows no style of the message within it.
    assert await page.page.run("document.querySelector('iframe').contentDocument") is None
    await write(page, "---\nchannel: email\n---\n")
    await page.until_shown("mend the problems below the editor first", "[aria-label=Preview]")


async def test_a_file_of_a_published_campaign_is_added_and_kept(stage: Stage) -> None:
    await stage.begin("grown")
    page = await stage.page()
    await page.show("/campaigns/grown?tab=document")
    await page.click("Add template")
    await page.fill("File name", "note.de.liquid")
    await page.press("Enter")
    await page.page.until(f"{CONTENT}?.ariaLabel === 'note.de.liquid'")
    await page.click("Plan")
    await page.until_shown("Makes version 2")
    await page.click("Apply")
    await stage.harness.until("SELECT 1 FROM campaign_versions WHERE campaign_key = 'grown' AND version = 2")
    version = await stage.harness.admin("GET", "/v1/campaigns/grown/versions/2")
    assert list(version["templates"]) == ["note.de.liquid", "note.liquid"]
    await page.until_shown("version 2")
    await show_file(page, "note.de.liquid")
