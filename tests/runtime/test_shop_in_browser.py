"""The shop of `sojourn dev` in a real browser: its buttons begin campaigns, whose messages show on its pages."""

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from cli.dev_stack import DevStack
from cli.documents import templates_beside
from tests.clients.axe import find_faults
from tests.clients.devtools import Session, devtools
from tests.clients.page_world import click, inside, until_gone, until_shown
from tests.harness import PATIENCE, looks
from tests.runtime.test_dev_in_browser import run, until_there
from tests.runtime.test_dev_stack import admin
from tests.servers import server_folder

EXAMPLES = Path(__file__).parents[2] / "examples"
# Those that `docs/cli.md` says the shop is made for, and one that thanks for an answer.
CAMPAIGNS = ("first-session-tour", "cart-card", "home-by-department", "delivery-delayed", "checkout-survey")
THANKS = """
key: thanks
name: Thanks
entry: {event: Survey Answered, where: event.properties.campaign == "checkout-survey"}
steps:
  - {id: mail, send: {channel: email, template: thanks, category: transactional}}
"""
MAIL = """---
channel: email
subject: "{{ entry.properties.score }} stars"
from: hello@example.com
text: Thank you
---
<p>Thank you</p>
"""
SLOT = "document.querySelector('[data-sojourn-slot=home-hero]')"


@pytest.fixture(scope="module")
async def stack() -> AsyncIterator[DevStack]:
    with server_folder() as folder, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("SOJOURN_")]:
            patch.delenv(name)
        async with DevStack(Path(folder), durable=False) as started:
            yield started


class Customer:
    """Someone on the pages of the shop."""

    def __init__(self, page: Session, url: str) -> None:
        self.page, self._url = page, url

    async def open(self, path: str) -> None:
        """Open a page, some time after what was shown before."""
        await self.page.run("localStorage.removeItem('sojourn.quiet')")
        await self.page.open(f"{self._url}{path}")

    async def press(self, label: str) -> None:
        """Press a button of the shop, and wait for its mark."""
        button = f"[...document.querySelectorAll('main button')].find(one => one.textContent === {json.dumps(label)})"
        await self.page.run(f"({button}).click()")
        await self.page.until(f"({button}).dataset.done === ''")

    async def until_filled(self, *words: str) -> None:
        """Open the first page until its hero has one of these texts: a busy machine may miss the time of a slot."""
        async for is_last in looks(PATIENCE):
            await self.open("/")
            await self.page.until(f"{SLOT}.style.visibility === ''")
            found = await self.page.run(f"{SLOT}.textContent")
            if any(word in found for word in words):
                return
            assert not is_last


@pytest.mark.takes_long
async def test_the_shop_shows_what_its_campaigns_send(stack: DevStack, tmp_path: Path) -> None:
    async with (
        httpx.AsyncClient(base_url=stack.api_url, trust_env=False, timeout=60) as http,
        devtools(tmp_path) as browser,
    ):
        templates = templates_beside(EXAMPLES / "any.yaml")
        for name in CAMPAIGNS:
            await run(stack, http, (EXAMPLES / f"{name}.yaml").read_text(), templates)
        await run(stack, http, THANKS, {"thanks.liquid": MAIL})
        page = await browser.page()
        await page.call("Runtime.enable")
        await page.open(f"{stack.shop_url}/")
        faults = await find_faults(page)
        await page.run("document.querySelector('button[value=ada]').click()")
        await page.until("document.body.dataset.user === 'ada' && document.readyState === 'complete'")
        ada = Customer(page, stack.shop_url)

        await ada.press("sign up")
        for title in ("Welcome, Ada", "Made for you", "One price", "Your account"):
            await page.until(f"{inside('tour', '.title')}?.textContent === {json.dumps(title)}")
            faults += await find_faults(page)
            await click(page, "tour", ".primary")
        await until_gone(page, "tour")

        await ada.open("/cart")
        await ada.press("Leave it for later")
        await ada.open("/")
        await until_shown(page, "card")
        assert "107 EUR" in await page.run(f"{inside('card', '.box')}.textContent")
        faults += await find_faults(page)

        await ada.open("/account")
        await ada.press("I work in marketing")
        await ada.until_filled("fills a stadium", "half the mails")
        await until_shown(page, "card")
        faults += await find_faults(page)

        await ada.open("/account")
        await ada.press("Let it be late")
        await until_shown(page, "banner")
        assert "o-1 will be late" in await page.run(f"{inside('banner', '.box')}.textContent")
        faults += await find_faults(page)
        await click(page, "banner", ".x")
        await until_gone(page, "banner")

        await ada.open("/cart")
        await ada.press("Buy")
        await until_shown(page, "survey")
        faults += await find_faults(page)
        await click(page, "survey", ".stars button:last-child")
        await until_shown(page, "survey", ".thanks")
        faults += await find_faults(page)
        await until_there(
            stack, "SELECT FROM messages WHERE channel = 'email' AND campaign_key = 'thanks' AND state = 'sent'"
        )
        assert stack.inbox is not None
        mails = (await http.get(f"{stack.inbox.url}/api/messages")).json()
        # The order has ended the journey of the card.
        await ada.open("/")
        await ada.until_filled("fills a stadium", "half the mails")
        await until_gone(page, "card")
        items = (await http.get("/v1/users/ada/timeline?limit=500", headers=admin(stack))).json()["items"]
        thrown = [one for one in browser.events if one["method"] == "Runtime.exceptionThrown"]
    assert faults == []
    assert thrown == []
    assert [mail["subject"] for mail in mails] == ["5 stars"]
    happened = {item["summary"] for item in items if item["kind"] == "event"}
    assert happened >= {"Message Shown", "Message Dismissed", "Tour Completed", "Survey Answered", "Survey Completed"}
