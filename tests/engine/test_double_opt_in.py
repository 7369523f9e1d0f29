"""Double opt-in as the example runs it: asked once, reminded once, confirmed by a button, and never by a scanner."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from domain.people.topics.requests import MAX_REQUESTS
from tests.engine.test_preferences import links
from tests.engine.test_topics import put_topics, subscribe, topics_of
from tests.harness import PATIENCE, Harness

EXAMPLES = Path(__file__).parents[2] / "examples"
TOPICS = """
topics:
  - {key: letters, name: {en: Letters, de: Briefe}, default: double}
  - {key: hints, name: Hints, default: double}
  - {key: news, name: News}
"""
WELCOME = """
key: welcome
name: Welcome
entry: {event: Subscription Confirmed, where: event.properties.topic == "letters"}
steps:
  - {id: mail, send: {channel: email, template: note, category: letters}}
"""
ASKED = {"letters": {"email": True}}


async def run_example(harness: Harness) -> None:
    await put_topics(harness, TOPICS)
    templates = {file.name: file.read_text() for file in (EXAMPLES / "templates").glob("double-opt-in*.liquid")}
    await harness.run_campaign((EXAMPLES / "double-opt-in.yaml").read_text(), templates)


async def ask(harness: Harness, user: str = "u1", topics: dict[str, Any] | None = None, **more: Any) -> httpx.Response:
    return await subscribe(harness, user, topics or ASKED, **more)


async def confirmations(harness: Harness) -> int:
    return len(await harness.query("SELECT 1 FROM events WHERE name = 'Subscription Confirmed'"))


async def test_a_subscription_is_confirmed_by_the_button_of_a_page_and_starts_the_welcome(harness: Harness) -> None:
    await run_example(harness)
    await harness.run_campaign(WELCOME)
    await harness.identify("u1", email="ada@example.com", country="DE", locale="de")
    await ask(harness)
    assert (await topics_of(harness, "u1"))["letters"] == ("pending", False)
    [mail] = await harness.inbox.wait_for(1, timeout=PATIENCE)
    assert str(mail.message["Subject"]) == "Bitte bestätigen Sie Ihre Anmeldung"
    url = (await links(harness))["confirm"]
    # A scanner follows every link, by every method that reads.
    for method in ("GET", "HEAD", "OPTIONS", "GET"):
        answer = await harness.http.request(method, url)
    assert "„Briefe“ bestätigen?" in answer.text
    assert (await topics_of(harness, "u1"))["letters"] == ("pending", False)
    # A repeated form sends no second mail.
    await ask(harness)
    assert "Sie sind angemeldet" in (await harness.http.post(url)).text
    assert (await topics_of(harness, "u1"))["letters"] == ("confirmed", True)
    await harness.inbox.wait_for(2, timeout=PATIENCE)
    assert "Sie sind angemeldet" in (await harness.http.post(url)).text
    assert await confirmations(harness) == 1
    states = {row["campaign_key"]: row["state"] for row in await harness.journeys.all()}
    assert states["double-opt-in"] == "exited"
    person = await harness.admin("GET", "/v1/users/u1")
    proofs = [one["proof"] for one in person["consent_log"] if "letters.email.confirmed" in one["changes"]]
    assert [(one["form"], one["wording"]) for one in proofs] == [("confirmation", "1")]


async def test_one_reminder_and_after_seven_days_nothing_confirms_it(harness: Harness) -> None:
    await run_example(harness)
    await harness.identify("u1", email="ada@example.com")
    await ask(harness)
    await harness.inbox.wait_for(1, timeout=PATIENCE)
    handle = await harness.journey("u1")
    await harness.rests(handle, "patience")
    await harness.skip(handle, days=3)
    mails = await harness.inbox.wait_for(2, timeout=PATIENCE)
    assert str(mails[-1].message["Subject"]) == "Your subscription still waits for you"
    url = (await links(harness, 2))["confirm"]
    await harness.rests(handle, "last-days")
    await harness.skip(handle, days=4)
    assert (await harness.ended("u1"))["outcome"] == "completed"
    assert "Confirm “Letters”?" in (await harness.http.get(url)).text
    # As if it had been asked for eight days ago.
    await harness.query(
        "UPDATE profiles SET said = jsonb_set(said, '{preferences,0,0}', "
        "to_jsonb((said #>> '{preferences,0,0}')::bigint - 8::bigint * 86400000000)) RETURNING id"
    )
    for method in ("GET", "POST"):
        assert "This can no longer be confirmed" in (await harness.http.request(method, url)).text
    assert await confirmations(harness) == 0


async def test_a_refusal_ends_the_journey_and_its_link(harness: Harness) -> None:
    await run_example(harness)
    await harness.identify("u1", email="ada@example.com")
    await ask(harness)
    url = (await links(harness))["confirm"]
    await ask(harness, topics={"letters": {"email": False}})
    assert (await harness.ended("u1"))["state"] == "exited"
    assert "This can no longer be confirmed" in (await harness.http.post(url)).text
    assert (await topics_of(harness, "u1"))["letters"] == ("unsubscribed", False)


async def test_another_mailbox_confirms_nothing(harness: Harness) -> None:
    """The address was changed after the mail: who reads the former one says nothing of the present one."""
    await run_example(harness)
    await harness.identify("u1", email="former@example.com")
    await ask(harness)
    url = (await links(harness))["confirm"]
    await harness.identify("u1", email="present@example.com")
    await harness.http.post(url)
    assert (await topics_of(harness, "u1"))["letters"] == ("pending", False)


async def test_a_topic_that_needs_no_confirmation_sends_no_mail(harness: Harness) -> None:
    await run_example(harness)
    await harness.identify("u1", email="ada@example.com")
    await ask(harness, topics={"news": {"email": True}})
    assert await harness.journeys.all() == []


async def test_a_list_bomb_reaches_an_address_and_a_client_so_often_and_no_more(harness: Harness) -> None:
    """Many people with one address, at once; then many addresses from one client."""
    await run_example(harness)
    of_address, of_client = MAX_REQUESTS["address"], MAX_REQUESTS["client"]
    for number in range(2 * of_address):
        await harness.identify(f"u{number}", email="Victim@example.com")
    await asyncio.gather(*(ask(harness, f"u{number}") for number in range(2 * of_address)))
    waiting = "SELECT count(*) AS number FROM profiles WHERE preferences -> 'letters.email' = 'true'"
    assert await harness.query(waiting) == [{"number": of_address}]
    assert len(await harness.journeys.all()) == of_address
    rejects = (await harness.admin("GET", "/v1/rejects?limit=100"))["rejects"]
    assert {one["part"] for one in rejects} == {"traits.consent.topics.letters.email"}
    assert rejects[0]["error"] == f"an address may be asked to confirm {of_address} subscriptions a day"
    batch = [
        {
            "type": "identify",
            "messageId": f"m{number}",
            "userId": f"v{number}",
            "traits": {"email": f"v{number}@example.com", "consent": {"topics": {"hints": {"email": True}}}},
            "context": {"ip": "203.0.113.9"},
        }
        for number in range(of_client + 20)
    ]
    await harness.post("batch", {"batch": batch})
    waiting = waiting.replace("letters", "hints")
    assert await harness.query(waiting) == [{"number": of_client}]
    # The numbers are kept as hashes.
    kept = await harness.query("SELECT number FROM subscription_requests AS t WHERE strpos(t::text, 'example.com') > 0")
    assert kept == []


@pytest.mark.parametrize("more", [{"country": "DE"}, {"country": "US"}])
async def test_a_confirmation_opens_a_refused_channel_for_its_topic_alone(
    harness: Harness, more: dict[str, str]
) -> None:
    await run_example(harness)
    await harness.identify("u1", email="ada@example.com", consent={"email": False}, **more)
    await ask(harness)
    await harness.http.post((await links(harness))["confirm"])
    assert await topics_of(harness, "u1") == {
        "letters": ("confirmed", True),
        "hints": ("unsubscribed", False),
        "news": ("unsubscribed", False),
    }
