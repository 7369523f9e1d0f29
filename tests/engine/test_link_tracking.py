"""Own tracking of links: from the mail to the event that a person's click becomes, and a machine's does not."""

import re
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from tests.harness import PATIENCE, Harness

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CAMPAIGN = """
key: spring
name: Spring
entry: {event: Signed Up}
exit: [{event: Email Link Clicked}]
track: {clicks: true, opens: true}
utm: {source: letter, medium: email, hosts: [shop.example.com]}
steps:
  - {id: mail, send: {channel: email, template: note, category: news}}
  - {id: rest, delay: 30d}
"""
MAIL = """---
channel: email
subject: Spring
from: Example Shop <hello@example.com>
text: Look at https://shop.example.com/a
---
<html><body>
<a href="https://shop.example.com/a?x=1&amp;y={{ profile.user_id }}">One</a>
<a href="https://other.example.net/b">Two</a>
<a href="https://shop.example.com/sign-in?token=1" data-track="off">Sign in</a>
<a href="{{ unsubscribe_url }}">Unsubscribe</a>
</body></html>
"""


class Letter:
    """A mail that has come, with its links, and one who follows them."""

    def __init__(self, harness: Harness, html: str) -> None:
        self.harness = harness
        self.html = html
        found = [unescape(one) for one in re.findall(r'href="([^"]+)"', html)]
        self.links = [urlsplit(one).path for one in found if "/c/" in one]
        self.others = [one for one in found if "/c/" not in one]
        [image] = re.findall(r'src="([^"]+)"', html)
        self.image = urlsplit(image).path

    async def ask(self, path: str, method: str = "GET", agent: str = BROWSER) -> httpx.Response:
        return await self.harness.http.request(method, path, headers={"User-Agent": agent}, follow_redirects=False)

    async def let_pass(self, seconds: int) -> None:
        """Put what has happened to this mail back in time."""
        back = f"interval '{seconds} s'"
        await self.harness.query(
            f"UPDATE link_hits SET at = at - {back}, due_at = due_at - {back} RETURNING id"  # noqa: S608
        )
        await self.harness.query(f"UPDATE messages SET settled_at = settled_at - {back} RETURNING id")  # noqa: S608

    async def judged(self) -> list[bool]:
        """The verdicts, once all are there, in the order of the hits."""
        await self.harness.until("SELECT FROM link_hits HAVING count(*) > 0 AND bool_and(is_person IS NOT NULL)")
        return [row["is_person"] for row in await self.harness.query("SELECT is_person FROM link_hits ORDER BY id")]

    async def events(self) -> list[str]:
        rows = await self.harness.query("SELECT name FROM events WHERE source = 'sojourn' ORDER BY recorded_at")
        return [row["name"] for row in rows]


@pytest.fixture
async def letter(harness: Harness) -> Letter:
    """A mail of an hour ago."""
    await harness.run_campaign(CAMPAIGN, {"note.liquid": MAIL})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    await harness.messages.until(state="sent")
    body = mail.message.get_body(("html",))
    assert body is not None
    found = Letter(harness, body.get_content())
    await found.let_pass(3_600)
    return found


async def test_links_lead_on_with_their_parameters_and_some_stay(letter: Letter) -> None:
    one, two, trap = letter.links
    utm = "utm_source=letter&utm_medium=email&utm_campaign=spring&utm_content=mail"
    answer = await letter.ask(one)
    assert (answer.status_code, answer.headers["location"]) == (302, f"https://shop.example.com/a?x=1&y=u1&{utm}")
    assert answer.headers["cache-control"] == "no-store"
    assert (await letter.ask(two, "HEAD")).headers["location"] == "https://other.example.net/b"
    assert (await letter.ask(trap)).status_code == 204
    signing_in, unsubscribing = letter.others
    assert signing_in == "https://shop.example.com/sign-in?token=1"
    assert "/unsubscribe/" in unsubscribing
    image = await letter.ask(letter.image)
    assert (image.status_code, image.headers["content-type"], image.content[:6]) == (200, "image/gif", b"GIF89a")


async def test_a_click_of_a_person_is_an_event_once_its_verdict_is_final(letter: Letter) -> None:
    await letter.ask(letter.image)
    await letter.ask(letter.links[1])
    assert await letter.events() == []
    await letter.let_pass(61)
    assert await letter.judged() == [True, True]
    await letter.harness.ended("u1")
    assert await letter.events() == ["Email Opened", "Email Link Clicked"]
    [message] = await letter.harness.query("SELECT clicked_link, machine_at FROM messages")
    assert message == {"clicked_link": "https://other.example.net/b", "machine_at": None}


async def test_a_scanner_ends_no_journey_and_unsubscribes_no_one(letter: Letter) -> None:
    for path in (*letter.links, letter.image, *(urlsplit(one).path for one in letter.others[-1:])):
        await letter.ask(path)
    await letter.let_pass(61)
    assert await letter.judged() == [False, False, False, False]
    # A person comes later.
    assert await letter.events() == []
    [message] = await letter.harness.query("SELECT opened_at, clicked_at, machine_at IS NOT NULL AS seen FROM messages")
    assert message == {"opened_at": None, "clicked_at": None, "seen": True}
    assert [row["state"] for row in await letter.harness.query("SELECT state FROM journeys")] == ["active"]
    assert await letter.harness.query("SELECT consent FROM profiles") == [{"consent": {}}]
    await letter.ask(letter.links[0])
    await letter.let_pass(61)
    await letter.harness.ended("u1")
    assert await letter.events() == ["Email Link Clicked"]


async def test_a_page_confirms_a_click_at_once(letter: Letter) -> None:
    await letter.ask(letter.links[0], agent="curl/8.5")
    assert (await letter.ask(letter.links[0], "POST")).status_code == 204
    await letter.harness.ended("u1")
    assert await letter.events() == ["Email Link Clicked"]


async def test_a_message_without_a_provider_keeps_no_other_verdict_waiting(letter: Letter) -> None:
    await letter.ask(letter.links[0])
    await letter.harness.query("UPDATE messages SET provider = NULL RETURNING id")
    await letter.let_pass(61)
    assert await letter.judged() == [True]
    assert await letter.events() == []


@pytest.mark.parametrize("change", ["forged", "image as link", "link as image", "erased"])
async def test_no_other_link_leads_anywhere(letter: Letter, change: str) -> None:
    path = letter.links[0]
    match change:
        case "forged":
            path = path[:-3] + ("AAA" if not path.endswith("AAA") else "BBB")
        case "image as link":
            path = "/c/" + letter.image.removeprefix("/o/").removesuffix(".gif")
        case "link as image":
            path = path.replace("/c/", "/o/") + ".gif"
        case "erased":
            await letter.harness.query("DELETE FROM link_hits RETURNING id")
            await letter.harness.query("DELETE FROM tracked_links RETURNING message_id")
    answer = await letter.ask(path)
    assert (answer.status_code, "location" in answer.headers) == (404, False)
    assert "This link does not work" in answer.text
    assert await letter.harness.query("SELECT FROM link_hits") == []


async def test_a_link_is_followed_without_end_and_noted_with_one(letter: Letter) -> None:
    for _ in range(210):
        assert (await letter.ask(letter.links[0])).status_code == 302
    assert await letter.harness.query("SELECT count(*) AS count FROM link_hits") == [{"count": 200}]
    await letter.let_pass(61)
    await letter.harness.ended("u1")
    assert set(await letter.judged()) == {True}


async def test_a_repeated_attempt_keeps_the_numbers_of_links(harness: Harness) -> None:
    harness.inbox.greylist.add("u1@example.com")
    await harness.run_campaign(CAMPAIGN, {"note.liquid": MAIL})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    await harness.until_put_off()
    [before] = await harness.query("SELECT targets FROM tracked_links")
    harness.inbox.greylist.clear()
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    [after] = await harness.query("SELECT targets FROM tracked_links")
    assert (len(after["targets"]), after) == (2, before)
    body = mail.message.get_body(("html",))
    assert body is not None
    found = Letter(harness, body.get_content())
    assert (await found.ask(found.links[1])).headers["location"] == "https://other.example.net/b"


async def test_transactional_messages_and_other_categories_are_not_tracked(harness: Harness) -> None:
    only = CAMPAIGN.replace("opens: true}", "opens: true, categories: [offers]}").replace("utm:", "# utm:")
    await harness.run_campaign(only, {"note.liquid": MAIL})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Signed Up")
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    body = mail.message.get_body(("html",))
    assert body is not None
    assert "https://other.example.net/b" in body.get_content()
    assert "/c/" not in body.get_content()
    assert await harness.query("SELECT FROM tracked_links") == []
