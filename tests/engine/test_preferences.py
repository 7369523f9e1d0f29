"""Unsubscribing from a topic, the preference centre, and what their links may not do."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from application.holds import MAX_OPEN
from tests.engine.test_topics import decided, put_topics, topics_of
from tests.harness import PATIENCE, Harness, now

TOPICS = """
topics:
  - {key: news, name: {en: News, de: Neues}, description: {en: "Once a month", de: "Einmal im Monat"}}
  - {key: offers, name: {en: Offers, de: Angebote}}
  - {key: terms, name: Terms, required: true}
"""
CAMPAIGN = """
key: news
name: News
entry: {event: Price Dropped}
steps:
  - {id: mail, send: {channel: email, template: note, category: news}}
"""
TEMPLATE = """---
channel: email
subject: News
from: Example Shop <hello@shop.example.com>
text: "{{ unsubscribe_url }} {{ preferences_url }}"
---
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a> <a href="{{ preferences_url }}">Preferences</a></p>
"""


async def mail_someone(harness: Harness, user: str = "u1", **traits: Any) -> dict[str, str]:
    """Send this person a mail about news; its links by the first part of their path."""
    await put_topics(harness, TOPICS)
    await harness.run_campaign(CAMPAIGN, {"note.liquid": TEMPLATE})
    await harness.identify(user, **{"email": f"{user}@example.com", "country": "US", **traits})
    assert (await decided(harness, user))["outcome"] == "granted"
    return await links(harness)


async def links(harness: Harness, number: int = 1) -> dict[str, str]:
    mails = await harness.inbox.wait_for(number, timeout=PATIENCE)
    text = mails[-1].text or ""
    return {found[1]: found[0] for found in re.findall(r"(https://\S+?/(unsubscribe|preferences|confirm)/\S+)", text)}


def ticked(page: str) -> set[str]:
    """What the page shows as chosen, apart from what is fixed."""
    boxes = re.findall(r'<input type="(?:checkbox|radio)" name="(\w+)" value="([\w.]+)"( checked)?( disabled)?>', page)
    return {f"{name} {value}" for name, value, is_checked, is_fixed in boxes if is_checked and not is_fixed}


async def save(harness: Harness, url: str, **form: Any) -> httpx.Response:
    """Send the form of the page as it is now."""
    shown = re.findall(r'name="shown" value="([\w.]+)"', (await harness.http.get(url)).text)
    answer = await harness.http.post(url, data={"shown": shown, **form})
    assert answer.status_code == 200, answer.text
    return answer


async def state(harness: Harness) -> list[dict[str, Any]]:
    """All that a visit could change."""
    tables = {"profiles": "updated_at", "addresses": "refusals", "profile_changes": "id", "holds": "id", "events": "id"}
    return [await harness.query(f"SELECT t::text FROM {table} AS t ORDER BY 1") for table in tables]  # type: ignore[misc]  # noqa: S608


async def test_one_click_unsubscribes_from_the_topic_and_the_page_offers_the_rest(harness: Harness) -> None:
    mailed = await mail_someone(harness)
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert mail.message["List-Id"] == "<news.shop.example.com>"
    assert mail.message["List-Unsubscribe"] == f"<{mailed['unsubscribe']}>"
    page = await harness.http.get(mailed["unsubscribe"])
    assert "You will get no more messages about “News” by e-mail. Other topics are not changed." in page.text
    assert "Stop all e-mail messages" in page.text
    answer = await harness.http.post(mailed["unsubscribe"], content=b"List-Unsubscribe=One-Click")
    assert "You will get no more messages about “News” by e-mail." in answer.text
    assert {topic: is_allowed for topic, (_, is_allowed) in (await topics_of(harness, "u1")).items()} == {
        "news": False,
        "offers": True,
        "terms": True,
    }
    [event] = await harness.query("SELECT properties FROM events WHERE name = 'Unsubscribed'")
    assert (event["properties"]["channel"], event["properties"]["topic"]) == ("email", "news")
    # The mailbox has refused it, in whichever profile it stands.
    await harness.identify("u2", email="U1@example.com", country="US")
    refused = await decided(harness, "u2")
    assert (refused["data"]["refused_by"], refused["data"]["topic"]) == ("address", "news")
    # A repeated click reports nothing again, and everything is a choice of its own.
    await harness.http.post(mailed["unsubscribe"])
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Unsubscribed'")) == 1
    await save(harness, mailed["unsubscribe"], scope="all")
    assert not any(is_allowed for _, is_allowed in (await topics_of(harness, "u1")).values())


async def test_reading_changes_nothing(harness: Harness) -> None:
    mailed = await mail_someone(harness)
    before = await state(harness)
    for url in mailed.values():
        for method in ("GET", "HEAD", "OPTIONS"):
            await harness.http.request(method, url)
    assert await state(harness) == before


async def test_a_link_opens_no_other_page_and_no_page_shows_an_address(harness: Harness) -> None:
    mailed = await mail_someone(harness)
    token = mailed["unsubscribe"].rpartition("/")[2]
    for purpose in ("preferences", "confirm"):
        for method in ("GET", "POST"):
            answer = await harness.http.request(method, f"/{purpose}/{token}")
            assert answer.status_code == 404
    for url in mailed.values():
        page = (await harness.http.get(url)).text
        assert not re.search(r"u1|\w@|example\.com", page)


async def test_the_centre_shows_and_saves_each_choice(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    page = (await harness.http.get(url)).text
    assert ticked(page) == {"topic news.email", "topic offers.email", "pace often"}
    assert '<input type="checkbox" name="topic" value="terms.email" checked disabled>' in page
    page = (await save(harness, url, topic=["offers.email"], pace="weekly")).text
    assert 'role="status">Saved.' in page
    assert ticked(page) == {"topic offers.email", "pace weekly"}
    found = await topics_of(harness, "u1")
    # A box that was ticked before the person came is no consent of theirs.
    assert found == {"news": ("unsubscribed", False), "offers": (None, True), "terms": (None, True)}
    person = await harness.admin("GET", "/v1/users/u1")
    assert person["pace"]["value"] == "weekly"
    [proof] = [one["proof"] for one in person["consent_log"] if "news.email" in one["changes"]]
    assert proof.keys() == {"form", "wording", "ip"}
    assert (proof["form"], proof["wording"]) == ("preferences", "1")
    # The mail of a moment ago counts: the next one is in a week.
    await save(harness, url, topic=["news.email", "offers.email"], pace="weekly")
    assert (await topics_of(harness, "u1"))["news"] == ("confirmed", True)
    capped = await decided(harness, "u1")
    assert (capped["reason"], capped["data"]["rule"]) == ("capped", "pace of the person")
    await save(harness, url, topic=["news.email", "offers.email"], pace="often")
    assert (await decided(harness, "u1"))["outcome"] == "granted"


async def test_a_pause_holds_everything_for_30_days_and_ends_at_once(harness: Harness) -> None:
    url = (await mail_someone(harness, locale="de"))["preferences"]
    chosen = {"topic": ["news.email", "offers.email"], "pace": "often"}
    page = (await save(harness, url, **chosen, pause="30d")).text
    assert "Pause bis " in page
    [hold] = await harness.query("SELECT until, reason FROM holds")
    assert abs(hold["until"] - now() - timedelta(days=30)) < timedelta(minutes=5)
    await harness.track("u1", "Price Dropped")
    [held] = await harness.until("SELECT data FROM decisions WHERE outcome = 'held'")
    assert held["data"]["why"] == "paused by the person"
    # Saved again, it stays as it is.
    await save(harness, url, **chosen, pause="30d")
    assert await harness.query("SELECT until, reason FROM holds WHERE ended_at IS NULL") == [hold]
    page = (await save(harness, url, **chosen)).text
    assert "30 Tage lang alles pausieren" in page
    await harness.inbox.wait_for(2, timeout=PATIENCE)


async def test_a_pause_has_a_place_beside_all_that_operators_hold(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    hold = {"user": "u1", "until": (now() + timedelta(days=60)).isoformat(), "reason": "a dispute"}
    for _ in range(MAX_OPEN):
        await harness.admin("POST", "/v1/holds", hold)
    assert (await harness.act("POST", "/v1/holds", hold)).status_code == 409
    chosen = {"topic": ["news.email", "offers.email"], "pace": "often"}
    # Sent several times at once, it is one.
    await asyncio.gather(*(save(harness, url, **chosen, pause="30d") for _ in range(3)))
    of_person = "SELECT 1 FROM holds WHERE ended_at IS NULL AND reason = 'paused by the person'"
    assert len(await harness.query(of_person)) == 1
    assert len(await harness.query("SELECT 1 FROM holds")) == MAX_OPEN + 1
    await save(harness, url, **chosen)
    assert await harness.query(of_person) == []


async def test_everything_off_once_more_writes_nothing(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    await save(harness, url, scope="all")
    before = await state(harness)
    for _ in range(3):
        assert "Everything is stopped." in (await save(harness, url, scope="all")).text
    assert await state(harness) == before
    # A topic opens the channel again, which everything off closes anew.
    await save(harness, url, topic=["news.email"], pace="often")
    await save(harness, url, scope="all")
    assert ticked((await harness.http.get(url)).text) == {"pace often"}
    assert len(await harness.query("SELECT 1 FROM events WHERE name = 'Unsubscribed'")) == 2


async def test_everything_off_refuses_the_channel_and_a_topic_opens_it_for_itself_alone(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    page = (await save(harness, url, scope="all")).text
    assert "Everything is stopped. Messages about your orders" in page
    assert "You have stopped all e-mail messages." in page
    assert ticked(page) == {"pace often"}
    refused = await decided(harness, "u1")
    assert refused["data"]["detail"] == "the profile refuses email"
    [event] = await harness.query("SELECT properties FROM events WHERE name = 'Unsubscribed'")
    assert event["properties"]["channel"] == "email"
    page = (await save(harness, url, topic=["news.email"], pace="often")).text
    assert ticked(page) == {"topic news.email", "pace often"}
    assert (await decided(harness, "u1"))["outcome"] == "granted"
    assert await topics_of(harness, "u1") == {
        "news": ("confirmed", True),
        "offers": ("unsubscribed", False),
        "terms": (None, True),
    }


async def test_a_link_to_a_former_address_confirms_nothing_for_the_present_one(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    await harness.identify("u1", email="new@example.com")
    await save(harness, url, topic=["offers.email"], pace="often")
    await save(harness, url, topic=["news.email", "offers.email"], pace="often")
    assert (await topics_of(harness, "u1"))["news"][0] == "subscribed"
    [address] = await harness.query("SELECT refusals FROM addresses WHERE value = 'u1@example.com'")
    assert address["refusals"] == {"opt_out.news": None}


@pytest.mark.parametrize(
    ("locale", "accepted", "language"),
    [
        ("de-AT", "fr", "de"),
        ("fr_CA", "de", "fr"),
        (None, "es-MX,en;q=0.5", "es"),
        ("ja", "xx", "en"),
        (None, "", "en"),
    ],
)
async def test_the_pages_are_in_the_language_of_the_person(
    harness: Harness, locale: str | None, accepted: str, language: str
) -> None:
    mailed = await mail_someone(harness, **({"locale": locale} if locale else {}))
    for url in mailed.values():
        answer = await harness.http.get(url, headers={"Accept-Language": accepted})
        assert f'<html lang="{language}">' in answer.text
    centre = (await harness.http.get(mailed["preferences"], headers={"Accept-Language": accepted})).text
    assert ("<legend>Neues</legend>" in centre) == (language == "de")


async def test_a_form_of_another_kind_chooses_nothing_that_there_is_not(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    await save(harness, url, topic=["nothing.email", "news.fax", "x", "news.email", "offers.email"], pace="hourly")
    assert {state for state, _ in (await topics_of(harness, "u1")).values()} == {None}
    before = await state(harness)
    for body in (b"\xff" * 20_000, b"", b"List-Unsubscribe=One-Click"):
        answer = await harness.http.post(url, content=body)
        assert (answer.status_code, "Saved." in answer.text) == (200, False)
    assert await state(harness) == before


async def test_a_topic_that_the_page_did_not_show_is_not_refused(harness: Harness) -> None:
    url = (await mail_someone(harness))["preferences"]
    await put_topics(harness, TOPICS + "  - {key: added, name: Added}\n")
    await save(harness, url, shown=["news.email", "offers.email"], topic=["offers.email"], pace="often")
    found = await topics_of(harness, "u1")
    assert (found["news"][0], found["added"]) == ("unsubscribed", (None, True))


async def test_without_topics_the_centre_has_the_pace_a_pause_and_everything_off(harness: Harness) -> None:
    await harness.run_campaign(CAMPAIGN, {"note.liquid": TEMPLATE})
    await harness.identify("u1", email="u1@example.com")
    await harness.track("u1", "Price Dropped")
    mailed = await links(harness)
    page = (await harness.http.get(mailed["unsubscribe"])).text
    assert "Stop all e-mail messages?" in page
    page = (await harness.http.get(mailed["preferences"])).text
    assert (ticked(page), "<legend>How often?</legend>" in page) == ({"pace often"}, True)
    assert ticked((await save(harness, mailed["preferences"], pace="weekly")).text) == {"pace weekly"}
    await save(harness, mailed["preferences"], scope="all")
    assert (await decided(harness, "u1"))["data"]["detail"] == "the profile refuses email"
