"""Write documents in the console: what a plan says of them, and how they are drawn as they are typed."""

from typing import Final

from tests.clients.console_editor import EDITOR, LAST_LINE
from tests.clients.console_page import ConsolePage
from tests.clients.console_stage import Stage, campaign
from tests.harness import MAIL, PATIENCE

# How far the mark of an error is from the last line.
MARK_AT: Final = f"""
Math.abs({EDITOR}.querySelector('.cm-lint-marker-error').getBoundingClientRect().top -
         {LAST_LINE}.getBoundingClientRect().top)
"""
CAN_APPLY: Final = (
    "[...document.querySelectorAll('button')].some(one => one.innerText === 'Apply' && one.ariaDisabled === 'false')"
)
SHOWN_TIMES: Final = "document.body.innerText.split({text!r}).length - 1"
REQUESTED: Final = "performance.getEntriesByType('resource').map(one => one.name)"
NODES: Final = "[...document.querySelectorAll('.step')].map(one => one.innerText.replaceAll('\\n', ' '))"
ACTIVE_LINE: Final = f"{EDITOR}.querySelector('.cm-activeLine').innerText"
# Answers to requests of one kind wait for a word of the test.
HOLD: Final = """
window.waiting = []
window.asked = 0
const ask = window.fetch
window.fetch = async (request, options) => {
  const isHeld = request.method === "POST" && request.url.endsWith("/%s")
  if (isHeld) window.asked += 1
  const answer = await ask(request, options)
  if (isHeld) await new Promise((resolve) => window.waiting.push(resolve))
  return answer
}
"""
# Longer than the editor waits before it draws, and than an answer of the API counts as new.
A_PAUSE: Final = "new Promise((resolve) => setTimeout(resolve, 2_500))"
IS_PLAN_IN_SIGHT: Final = """
(() => {
  const found = [...document.querySelectorAll("button")].find((one) => one.innerText === "Plan")
  const { x, y, width, height } = found.getBoundingClientRect()
  return document.elementFromPoint(x + width / 2, y + height / 2) === found
})()
"""


async def replace_last_line(page: ConsolePage, text: str) -> None:
    await page.click_on(LAST_LINE)
    await page.press("End")
    await page.press("Home", "Shift")
    await page.type(text)


async def test_a_document_is_planned_and_applied(stage: Stage) -> None:
    await stage.begin("edited", "u-edited")
    page = await stage.page()
    await page.show("/campaigns/edited?tab=document")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: last, delay: never}")
    await page.click("Plan")
    # On its line, and once below the editor, where the keyboard goes on.
    await page.page.until(f"{MARK_AT} < 20")
    await page.page.until("document.activeElement.ariaLabel === 'Problems'")
    assert "campaign.yaml:8" in await page.read("[aria-label=Problems]")
    assert await page.page.run(SHOWN_TIMES.format(text="is not a duration")) == 1
    await page.press("Tab")
    await page.press("Enter")
    await page.page.until(f"{ACTIVE_LINE}.includes('delay: never')")
    assert not await page.page.run(CAN_APPLY)
    await page.click_on(LAST_LINE)
    await page.press("End")
    await page.press("Home", "Shift")
    await page.type("- {id: last, delay: 2d}")
    await page.click("Plan")
    await page.until_shown("Makes version 2")
    await page.until_shown("1 journey of version 1 at rest: stays")
    # The keyboard and the screen reader go on with the plan: its numbers come before the button.
    assert await page.focused() == "Plan"
    await page.tab_to("Apply")
    await page.press("Enter")
    await stage.harness.until("SELECT 1 FROM campaign_versions WHERE campaign_key = 'edited' AND version = 2")
    await page.until_shown("version 2")
    assert (await stage.audited("edited"))[0] == "campaign.apply"


async def test_a_deployment_that_plans_applies_nothing(stage: Stage) -> None:
    await stage.begin("planned")
    async with stage.beside(console_edit="plan") as url:
        page = await stage.page(url=url)
        await page.show("/campaigns/planned?tab=document")
        await page.click("Plan")
        await page.until_shown("The same as version 1")
        # The button says why in words, and takes the focus.
        await page.tab_to("Apply")
        assert "set SOJOURN_CONSOLE_EDIT=apply and restart the API" in await page.page.run(
            "document.getElementById(document.activeElement.getAttribute('aria-describedby')).innerText"
        )
        await page.press("Enter")
        assert not await page.page.run(CAN_APPLY)
        body = {"file": "c.yaml", "source": campaign("planned"), "templates": {}}
        assert await page.fetch("POST", "/v1/campaigns/planned/apply", {**body, "plan": "0" * 64}) == 403
        assert await page.fetch("PUT", "/v1/frequency-caps", {"file": "c.yaml", "source": "rules: []\n"}) == 403


async def test_a_test_is_sent_of_the_text_in_the_editor(stage: Stage) -> None:
    await stage.begin("tested")
    page = await stage.page()
    await page.show("/campaigns/tested?tab=document")
    await page.click("Send a test")
    await page.fill("Step", "hello")
    await page.fill("To the address", "operator@example.com")
    await page.click("Send a test")
    await page.until_shown("accepted", "dialog[open]")
    [mail] = await stage.harness.inbox.wait_for(1, PATIENCE)
    assert "A note for" in str(mail.message["subject"])
    await page.click("Close")
    await page.until_closed()
    assert await page.focused() == "Send a test"
    log = (await stage.harness.admin("GET", "/v1/audit-log?limit=5"))["entries"]
    assert "template.send_test" in {entry["action"] for entry in log}


async def test_a_segment_is_planned_and_applied(stage: Stage) -> None:
    await stage.harness.identify("u-pro", plan="pro")
    page = await stage.page()
    await page.show("/documents/new-segment")
    await page.click("Plan")
    await page.until_shown("Makes version 1 of my-segment")
    await page.until_shown("Join:")
    await page.click("Apply")
    await page.until_shown("My segment", "main h1")
    assert "segment.apply" in await stage.audited("my-segment")
    await page.show("/segments/my-segment?tab=document")
    await page.click("Plan")
    await page.until_shown("my-segment stays as it is")


async def test_a_new_segment_takes_the_place_of_none_that_a_colleague_has_made(stage: Stage) -> None:
    page = await stage.page()
    await page.show("/documents/new-segment")
    await page.click_on(LAST_LINE)
    await page.press("Home", "Control")
    await page.press("End", "Shift")
    await page.type("key: vip")
    await page.click("Plan")
    await page.until_shown("Makes version 1 of vip")
    theirs = "key: vip\nname: Theirs\nwhere: profile.traits.plan == 'vip'\n"
    await stage.harness.admin("PUT", "/v1/segments/vip", {"file": "vip.yaml", "source": theirs})
    await page.click("Apply")
    await page.until_shown("plan again", "[aria-label=Plan] [role=alert]")
    assert (await stage.harness.admin("GET", "/v1/segments/vip"))["source"] == theirs
    await page.click("Plan")
    await page.until_shown("Makes version 2 of vip")
    await page.click("Apply")
    await page.until_shown("My segment", "main h1")


async def test_a_document_is_drawn_as_it_is_typed(stage: Stage) -> None:
    await stage.begin("drawn", "u-drawn")
    page = await stage.page()
    await page.show("/campaigns/drawn?tab=document")
    # With the people whom a change would meet.
    await page.page.until(f"{NODES}.some(text => text.startsWith('rest') && text.includes('1 came'))")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: last, delay: 2d}")
    await page.page.until(f"{NODES}.some(text => text.startsWith('last') && text.includes('added'))")
    # The text has an error: the graph stays, with a word.
    await replace_last_line(page, "- {id: last, delay: never}")
    await page.until_shown("campaign.yaml:8", "[aria-label=Problems]")
    await page.until_shown("of the text before")
    await page.page.until(f"{MARK_AT} < 20")
    assert await page.page.run(f"{NODES}.some(text => text.startsWith('last'))")
    await replace_last_line(page, "")
    await page.page.until(f"!{NODES}.some(text => text.startsWith('last'))")
    # A node leads to its line.
    await page.click_on("document.querySelector('.react-flow__node[data-id=hello]')")
    await page.page.until(f"{ACTIVE_LINE}.includes('id: hello')")
    # What is removed is drawn as well, and nothing is published meanwhile.
    await page.press("End")
    await page.press("Home", "Shift")
    await page.press("Delete")
    await page.page.until(f"{NODES}.some(text => text.startsWith('hello') && text.includes('removed'))")
    assert (
        await stage.harness.query("SELECT 1 FROM campaign_versions WHERE campaign_key = 'drawn' AND version = 2") == []
    )


async def test_a_new_campaign_is_drawn_without_numbers_and_planned_on_a_phone(stage: Stage) -> None:
    page = await stage.page()
    await page.page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
    await page.show("/documents/new")
    await page.page.until(f"{NODES}.some(text => text.startsWith('rest') && !text.includes('came'))")
    assert await page.page.run(IS_PLAN_IN_SIGHT)
    await page.page.run("document.querySelector('.diagram').scrollIntoView()")
    assert await page.page.run(IS_PLAN_IN_SIGHT)
    assert await page.page.run("document.documentElement.scrollWidth") == 390
    await page.click("Plan")
    await page.until_shown("Makes version 1")


async def test_a_text_outlives_a_version_that_is_published_meanwhile(stage: Stage) -> None:
    await stage.begin("shared")
    page = await stage.page()
    await page.show("/campaigns/shared?tab=document")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: mine, delay: 2d}")
    await page.click("Plan")
    await page.until_shown("Makes version 2")
    await stage.harness.publish(campaign("shared", "Began shared", "Theirs"))
    await page.until_shown("Version 2 was published meanwhile: this text is over version 1.")
    # A plan over the version before is void.
    await page.page.until("!document.querySelector('section[aria-label=Plan]')")
    assert not await page.page.run(CAN_APPLY)
    assert "id: mine" in await page.page.run(f"{EDITOR}.querySelector('.cm-content').innerText")
    await page.click("Take version 2 instead")
    await page.page.until(f"{EDITOR}?.querySelector('.cm-content')?.innerText.includes('Theirs')")
    # Unchanged, it follows.
    await stage.harness.publish(campaign("shared", "Began shared", "Anew"))
    await page.page.until(f"{EDITOR}?.querySelector('.cm-content')?.innerText.includes('Anew')")


async def test_a_text_keeps_the_name_of_its_file(stage: Stage) -> None:
    await stage.begin("named")
    page = await stage.page()
    await page.show("/campaigns/named?tab=document")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: mine, delay: 2d}")
    theirs = {"file": "theirs.yaml", "source": campaign("named", "Began named", "Theirs")}
    await stage.harness.admin("POST", "/v1/campaigns", {**theirs, "templates": {"note.liquid": MAIL}})
    await page.until_shown("Version 2 was published meanwhile: this text is over version 1.")
    await page.click("Plan")
    await page.until_shown("Makes version 3")
    await page.click("Apply")
    await stage.harness.until("SELECT 1 FROM campaign_versions WHERE campaign_key = 'named' AND version = 3")
    applied = await stage.harness.admin("GET", "/v1/campaigns/named/versions/3")
    assert (applied["file"], list(applied["templates"])) == ("campaign.yaml", ["note.liquid"])
    assert "id: mine" in applied["source"]


async def test_what_is_typed_is_drawn_once_at_a_time_and_not_planned(stage: Stage) -> None:
    await stage.begin("paced")
    page = await stage.page()
    await page.show("/campaigns/paced?tab=document")
    await page.page.until(f"{NODES}.length > 0")
    await page.page.run(HOLD % "graph")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: first, delay: 2d}")
    await page.page.until("window.waiting.length === 1")
    await replace_last_line(page, "- {id: second, delay: 2d}")
    await page.page.run(A_PAUSE)
    await replace_last_line(page, "- {id: third, delay: 2d}")
    await page.page.run(A_PAUSE)
    assert await page.page.run("window.asked") == 1
    await page.page.run("window.waiting[0]()")
    await page.page.until("window.waiting.length === 2")
    await page.page.run("window.waiting[1]()")
    await page.page.until(f"{NODES}.some(text => text.startsWith('third') && text.includes('added'))")
    # A person who comes back sees the same text.
    await page.page.run(A_PAUSE)
    await page.page.run("window.dispatchEvent(new Event('visibilitychange'))")
    await page.page.run("new Promise((resolve) => setTimeout(resolve))")
    assert await page.page.run("window.asked") == 2
    assert not await page.page.run(f"{REQUESTED}.some(url => url.endsWith('/plan'))")


async def test_a_late_plan_of_an_earlier_text_is_dropped(stage: Stage) -> None:
    await stage.begin("late")
    page = await stage.page()
    await page.show("/campaigns/late?tab=document")
    await page.page.until(f"{NODES}.length > 0")
    await page.page.run(HOLD % "plan")
    await page.click("Plan")
    await page.page.until("window.waiting.length === 1")
    await page.click_on(LAST_LINE)
    await page.press("End", "Control")
    await page.type("- {id: last, delay: 2d}")
    await page.page.until(f"{NODES}.some(text => text.startsWith('last'))")
    await page.page.run("window.waiting[0]()")
    await page.page.until("![...document.querySelectorAll('button')].find(one => one.innerText === 'Plan').disabled")
    assert await page.page.run("!document.querySelector('section[aria-label=Plan]')")
    assert not await page.page.run(CAN_APPLY)
