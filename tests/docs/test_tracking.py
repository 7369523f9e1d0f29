"""docs/tracking.md is true: its campaign runs, and its rules are those of the code."""

import re
from pathlib import Path

from domain.sending.tracking.links import UTM_NAMES, LinkRewriting, rewrite
from domain.sending.tracking.verdicts import BURST, TOO_SOON, TRAPPED, VERDICT_AFTER
from store.tracked_links import MAX_HITS
from tests.harness import PATIENCE, Harness

PAGE = (Path(__file__).parents[2] / "docs" / "tracking.md").read_text()
MAIL = """---
channel: email
subject: Spring
from: Example Shop <hello@example.com>
text: Spring
---
<a href="https://www.shop.example.com/">Shop</a>
"""


def block(kind: str) -> str:
    [text] = re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


async def test_the_campaign_is_tracked_and_its_link_can_be_confirmed(harness: Harness) -> None:
    await harness.run_campaign(block("yaml campaign"), {"note.liquid": MAIL})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    body = mail.message.get_body(("html",))
    assert body is not None
    assert "/o/" not in body.get_content()
    token = re.findall(r"/c/([\w-]+)", body.get_content())[0]
    path = re.sub(r'.*"https://[^/]+(/[^"]+)".*', r"\1", block("js").strip()).replace("<token>", token)
    # As if the person had read it for a while.
    await harness.until("SELECT 1 FROM messages WHERE state = 'sent'")
    await harness.query("UPDATE messages SET settled_at = settled_at - interval '1 minute' RETURNING id")
    browser = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    assert (await harness.http.post(path, headers=browser)).status_code == 204
    await harness.ended("u1")
    answer = await harness.http.get(path, follow_redirects=False)
    utm = "utm_source=letter&utm_medium=email&utm_campaign=spring&utm_content=mail"
    assert answer.headers["location"] == f"https://www.shop.example.com/?{utm}"


def test_a_link_that_signs_in_stays() -> None:
    link = block("html")
    found = rewrite(link, LinkRewriting("https://own.example.com/", link_url=str))
    assert (found.html, found.targets) == (link, ())


def test_the_rules_are_those_of_the_code() -> None:
    assert (TOO_SOON.total_seconds(), BURST.total_seconds()) == (2, 2)
    assert TRAPPED == VERDICT_AFTER
    assert VERDICT_AFTER.total_seconds() == 60
    assert f"At most {MAX_HITS} requests" in PAGE
    assert all(f"`{name}`" in PAGE for name in UTM_NAMES)
