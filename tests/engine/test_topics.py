"""Topics from the calls that state them to the gate, on real servers."""

import asyncio
import random
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.harness import Harness
from tests.proofs import rounds

SEED = 20_261_201
RACES, GROUP = rounds(24, 240), 6
TOPICS = """
topics:
  - {key: news, name: News}
  - {key: offers, name: Offers, default: opted_out}
  - {key: letters, name: Letters, default: double}
"""
NEWS = """
key: news
name: News
entry: {event: Price Dropped}
steps:
  - {id: mail, send: {channel: email, template: note, category: news}}
"""
FORM = {"context": {"consent": {"form": "sign-up", "wording": "2026-11"}, "ip": "203.0.113.9"}}


async def put_topics(harness: Harness, source: str = TOPICS) -> httpx.Response:
    return await harness.act("PUT", "/v1/topics", {"file": "topics.yaml", "source": source})


async def subscribe(harness: Harness, user: str, topics: dict[str, Any], **more: Any) -> httpx.Response:
    call = {"messageId": str(uuid4()), "userId": user, "traits": {"consent": {"topics": topics}}, **more}
    return await harness.post("identify", call)


async def topics_of(harness: Harness, user: str) -> dict[str, tuple[str | None, bool]]:
    person = await harness.admin("GET", f"/v1/users/{user}")
    return {
        topic: (by_channel["email"]["state"], by_channel["email"]["is_allowed"])
        for topic, by_channel in person["topics"].items()
    }


async def decided(harness: Harness, user: str) -> dict[str, Any]:
    """The decision about a message to this person."""
    before = len(await harness.decisions.all(kind="send"))
    await harness.track(user, "Price Dropped")
    [row] = await harness.until(
        "SELECT outcome, reason, data FROM decisions WHERE kind = 'send' ORDER BY recorded_at OFFSET %s", before
    )
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
    return row


async def test_the_gate_names_the_topic_the_regime_and_the_country(harness: Harness) -> None:
    await put_topics(harness)
    await harness.run_campaign(NEWS)
    await harness.identify("de", email="a@example.com", country="DE")
    await harness.identify("us", email="b@example.com", country="US")
    refused = await decided(harness, "de")
    assert (refused["outcome"], refused["reason"]) == ("refused", "no_consent")
    assert refused["data"] == {
        "channel": "email",
        "detail": "the profile has not consented to email, nor subscribed to news, and silence refuses (opt_in, DE)",
        "refused_by": "profile",
        "topic": "news",
        "regime": "opt_in",
        "country": "DE",
    }
    assert (await decided(harness, "us"))["outcome"] == "granted"
    await subscribe(harness, "de", {"news": {"email": True}})
    assert (await decided(harness, "de"))["outcome"] == "granted"
    await subscribe(harness, "us", {"news": {"email": False}})
    refused = await decided(harness, "us")
    assert refused["data"]["detail"] == "the profile has unsubscribed from news by email"
    summaries = [item["summary"] for item in await harness.timeline("us")]
    assert "mail: refused: no_consent: the profile has unsubscribed from news by email" in summaries


async def test_a_subscription_is_stated_by_calls_operators_and_imports(harness: Harness) -> None:
    await put_topics(harness)
    await harness.identify("u1", email="ada@example.com", country="DE")
    await subscribe(harness, "u1", {"news": {"email": True}, "letters": {"email": True}}, **FORM)
    # A call asks for `letters`, and nothing has confirmed it yet.
    asked = {"news": ("subscribed", True), "offers": (None, False), "letters": ("pending", False)}
    assert await topics_of(harness, "u1") == asked
    await harness.admin("PATCH", "/v1/users/u1", {"consent": {"topics": {"letters": {"email": True}}}})
    assert (await topics_of(harness, "u1"))["letters"] == ("confirmed", True)
    imported = {
        "type": "identify",
        "messageId": "1",
        "userId": "u1",
        "traits": {"consent": {"topics": {"offers": {"email": True}}}},
    }
    await harness.admin("POST", "/v1/imports/crm", {"batch": [imported]})
    assert (await topics_of(harness, "u1"))["offers"] == ("confirmed", True)
    # The later statement holds; a repeated one keeps the confirmation.
    await subscribe(harness, "u1", {"letters": {"email": True}, "news": {"email": False}})
    assert (await topics_of(harness, "u1"))["letters"] == ("confirmed", True)
    assert (await topics_of(harness, "u1"))["news"] == ("unsubscribed", False)


async def test_the_log_proves_each_answer_with_its_form_and_wording_and_a_hash_of_the_address(harness: Harness) -> None:
    await harness.identify("u1", email="ada@example.com")
    for _ in range(2):
        await subscribe(harness, "u1", {"news": {"email": True}}, **FORM)
    await subscribe(harness, "u1", {"news": {"email": False}})
    refused, again, first = (await harness.admin("GET", "/v1/users/u1"))["consent_log"]
    assert first["changes"] == {"news.email": {"before": None, "after": True}}
    # A consent that is given anew changes nothing and is proved all the same.
    assert again["changes"] == {"news.email": {"before": True, "after": True}}
    assert refused["changes"]["news.email"] == {"before": True, "after": False}
    assert (first["proof"]["form"], first["proof"]["wording"], refused["proof"]) == ("sign-up", "2026-11", None)
    assert first["proof"]["ip"] == again["proof"]["ip"]
    assert len(bytes.fromhex(first["proof"]["ip"])) == 32
    export = (await harness.act("GET", "/v1/users/u1/export")).text
    assert '"news.email":false' in export.replace(" ", "")
    assert first["proof"]["ip"] in export
    told = await harness.query("SELECT 1 FROM profile_changes AS t WHERE strpos(t::text, %s) > 0", "203.0.113.9")
    assert told == []


async def test_what_cannot_be_read_of_a_subscription_is_left_out_and_named(harness: Harness) -> None:
    topics = {"news": {"email": True, "fax machine": True}, "No Topic": {"email": True}, "offers": True}
    answer = await subscribe(harness, "u1", topics)
    assert answer.status_code == 200
    parts = {reject["part"] for reject in (await harness.admin("GET", "/v1/rejects"))["rejects"]}
    assert parts == {
        "traits.consent.topics.news.fax machine",
        "traits.consent.topics.No Topic",
        "traits.consent.topics.offers",
    }
    assert (await topics_of(harness, "u1"))["news"][0] == "subscribed"
    refused = await harness.act("PATCH", "/v1/users/u1", {"consent": {"topics": {"No Topic": {"email": True}}}})
    assert refused.status_code == 400


async def test_a_changed_subscription_starts_and_ends_journeys(harness: Harness) -> None:
    welcome = """
key: welcome
name: Welcome
entry: {consent: news.email, where: event.properties.after == "subscribed" && event.properties.topic == "news"}
exit: [{consent: news.email, where: event.properties.after == "unsubscribed"}]
steps: [{id: rest, delay: 30d}]
"""
    await harness.run_campaign(welcome, {})
    await subscribe(harness, "u1", {"news": {"email": True}})
    [journey] = await harness.journeys.all(user_id="u1")
    assert journey["state"] == "active"
    await subscribe(harness, "u1", {"news": {"email": False}})
    assert (await harness.ended("u1"))["state"] == "exited"


async def test_a_send_names_a_topic_once_there_are_some(harness: Harness) -> None:
    await harness.publish(NEWS.replace(", category: news", ""))
    await put_topics(harness)
    body = {
        "file": "campaign.yaml",
        "templates": {"note.liquid": "---\nchannel: email\nsubject: a\nfrom: a@example.com\ntext: a\n---\n<p>a</p>"},
    }
    for category, said in (
        ("category: nwes", "`nwes` is not a topic"),
        ("priority: high", "`marketing` is not a topic, and is the category by default"),
    ):
        source = NEWS.replace("key: news", "key: other").replace("category: news", category)
        refused = await harness.act("POST", "/v1/campaigns", {**body, "source": source})
        assert refused.status_code == 422, refused.text
        assert said in refused.text
    for category in ("transactional", "one-time-code", "service", "offers"):
        await harness.run_campaign(NEWS.replace("category: news", f"category: {category}"))


async def test_the_plan_warns_of_messages_about_none_of_the_topics(harness: Harness) -> None:
    for key, category in (("loud", ""), ("quiet", ", category: service"), ("news", ", category: news")):
        await harness.run_campaign(NEWS.replace("key: news", f"key: {key}").replace(", category: news", category))
    plan = {"file": "topics.yaml", "source": TOPICS}
    [warning] = (await harness.admin("POST", "/v1/topics/plan", plan))["warnings"]
    assert (warning["line"], warning["path"]) == (2, "topics")
    said = "`marketing` is not a topic, and is the category of messages of campaign loud (version 1): people who"
    assert warning["message"].startswith(said)
    with_marketing = f"{TOPICS}  - {{key: marketing, name: Marketing}}\n"
    assert (await harness.admin("POST", "/v1/topics/plan", {**plan, "source": with_marketing}))["warnings"] == []
    assert (await harness.admin("POST", "/v1/topics/plan", {**plan, "source": "topics: []\n"}))["warnings"] == []


async def test_a_topic_stays_while_a_campaign_sends_about_it(harness: Harness) -> None:
    await put_topics(harness)
    await harness.run_campaign(NEWS)
    without = TOPICS.replace("  - {key: news, name: News}\n", "")
    refused = await put_topics(harness, without)
    assert refused.status_code == 409
    assert "`news` is read by campaign news (version 1)" in refused.text
    planned = await harness.admin("POST", "/v1/topics/plan", {"file": "topics.yaml", "source": without})
    [change] = planned["changes"]
    assert (change["kind"], change["name"], change["read_by"][0]["key"]) == ("removed", "news", "news")


async def test_a_regime_judges_the_segments_that_read_the_consent(harness: Harness) -> None:
    segment = "key: reachable\nname: Reachable\nwhere: profile.consent.email\n"
    await harness.admin("PUT", "/v1/segments/reachable", {"file": "s.yaml", "source": segment})
    await harness.identify("de", country="DE")
    await harness.identify("us", country="US")
    members = "SELECT user_id FROM segment_members JOIN profiles ON profiles.id = profile_id"
    await harness.until("SELECT 1 FROM segment_members HAVING count(*) = 2")
    await put_topics(harness)
    await harness.until("SELECT 1 FROM segment_members HAVING count(*) = 1")
    assert await harness.query(members) == [{"user_id": "us"}]
    await harness.identify("us", country="FR")
    assert await harness.query(members) == []


async def test_the_pace_of_a_person_is_a_cap_of_their_own(harness: Harness) -> None:
    await put_topics(harness)
    await harness.run_campaign(NEWS)
    for user in ("u1", "u2"):
        await harness.identify(user, email=f"{user}@example.com", country="US")
    await harness.query(
        "UPDATE profiles SET preferences = jsonb_build_object('pace', 'weekly') WHERE user_id = 'u1' RETURNING id"
    )
    assert [(await decided(harness, user))["outcome"] for user in ("u1", "u2", "u2")] == ["granted"] * 3
    capped = await decided(harness, "u1")
    assert (capped["reason"], capped["data"]["rule"], capped["data"]["limit"]) == ("capped", "pace of the person", 1)


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_message_is_granted_or_claimed_after_an_unsubscription_was_acknowledged(harness: Harness) -> None:
    """Mails about a topic race with calls that unsubscribe from it."""
    print(f"seed {SEED}")  # noqa: T201
    rolls = random.Random(SEED)
    await put_topics(harness)
    await harness.run_campaign(NEWS)
    acknowledged: dict[str, datetime] = {}

    async def race(user: str, pause: float) -> None:
        await harness.identify(user, email=f"{user}@example.com", country="US")
        await asyncio.gather(refuse(user, max(0, pause)), mail(user, max(0, -pause)))

    async def refuse(user: str, pause: float) -> None:
        await asyncio.sleep(pause)
        await subscribe(harness, user, {"news": {"email": False}})
        [now] = await harness.query("SELECT clock_timestamp() AS at")
        acknowledged[user] = now["at"]

    async def mail(user: str, pause: float) -> None:
        await asyncio.sleep(pause)
        await harness.track(user, "Price Dropped")

    # As in test_addresses: groups shift towards where some mails are faster and some are not.
    shift, step, races, faster = 0.0, 0.4, 0, 0
    while races < RACES or not 0 < faster < races:
        assert races < 5 * RACES, f"{faster} of {races} mails were faster than the refusal"
        users = [f"u{races + place}" for place in range(GROUP)]
        await asyncio.gather(*(race(user, shift + rolls.uniform(-0.2, 0.2)) for user in users))
        races += GROUP
        await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM journeys WHERE state = 'active')")
        messages = await harness.query(
            "SELECT user_id, reserved_at, claimed_at FROM messages JOIN profiles ON profiles.id = profile_id"
        )
        claims = [row for row in messages if row["claimed_at"] is not None]
        before, faster = faster, len(claims)
        was, step = step, abs(step) if faster - before < GROUP / 2 else -abs(step)
        step *= 2 if (was > 0) == (step > 0) else 0.5
        shift += step
    assert [row for row in messages if row["reserved_at"] > acknowledged[row["user_id"]]] == []
    assert [row for row in claims if row["claimed_at"] > acknowledged[row["user_id"]]] == []
