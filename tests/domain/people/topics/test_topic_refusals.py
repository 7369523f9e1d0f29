"""Who refuses a message about a topic: suppression, channel, address, topic, then silence."""

from itertools import product
from typing import Any

import pytest

from domain.people.consent import ConsentFacts, consent_by_channel, find_refusal
from domain.people.countries import country_of
from domain.people.topics.deployed import DeployedTopics
from domain.people.topics_document import parse_topics

DOCUMENT = """
topics:
  - {key: news, name: News, channels: [email, webhook]}
  - {key: offers, name: Offers, default: opted_out}
  - {key: letters, name: Letters, default: double}
  - {key: terms, name: Terms, required: true}
"""
TOPICS = DeployedTopics(parse_topics(DOCUMENT, "topics.yaml"))


def refusal(topic: str, *, topics: DeployedTopics = TOPICS, channel: str = "email", **known: Any) -> str | None:
    facts = ConsentFacts(
        known.get("given", {}),
        known.get("suppressed", {}),
        {"email": known.get("address", {})},
        known.get("preferences", {}),
        {"country": known["country"]} if "country" in known else {},
    )
    found = find_refusal(channel, topic, facts, topics)
    return None if found is None else f"{found.reason} by {found.refused_by}: {found.detail}"


YES: dict[str, Any] = {"given": {"email": True}}


@pytest.mark.parametrize(
    ("topic", "known", "expected"),
    [
        # Silence: by country, and by the topic.
        ("news", {"country": "US"}, None),
        (
            "news",
            {"country": "de"},
            "no_consent by profile: the profile has not consented to email, nor subscribed to news, "
            "and silence refuses (opt_in, DE)",
        ),
        (
            "news",
            {},
            "no_consent by profile: the profile has not consented to email, nor subscribed to news, "
            "and silence refuses (opt_in, unknown country)",
        ),
        ("news", YES, None),
        ("offers", YES, "no_consent by profile: the profile has not subscribed to offers by email"),
        ("offers", {"country": "US"}, "no_consent by profile: the profile has not subscribed to offers by email"),
        ("letters", YES, "no_consent by profile: the profile has not subscribed to letters by email"),
        ("terms", {"country": "DE"}, None),
        # A subscription is a yes of its own, and `double` asks for its confirmation.
        ("news", {"preferences": {"news.email": True}}, None),
        ("offers", {"preferences": {"offers.email": True}}, None),
        (
            "letters",
            {"preferences": {"letters.email": True}},
            "no_consent by profile: the subscription to letters by email is not confirmed",
        ),
        ("letters", {"preferences": {"letters.email": True, "letters.email.confirmed": True}}, None),
        # Refusals: topic, address, channel, suppression, each before what is weaker.
        (
            "news",
            {**YES, "preferences": {"news.email": False}},
            "no_consent by profile: the profile has unsubscribed from news by email",
        ),
        (
            "news",
            {**YES, "address": {"opt_out.news": "unsubscribed by link"}},
            "no_consent by address: the address refuses news: unsubscribed by link",
        ),
        ("offers", {"address": {"opt_out.news": "link"}, "preferences": {"offers.email": True}}, None),
        (
            "news",
            {"given": {"email": False}, "preferences": {"news.email": True, "news.email.confirmed": True}},
            "no_consent by profile: the profile refuses email",
        ),
        ("terms", {"given": {"email": False}}, "no_consent by profile: the profile refuses email"),
        ("terms", {"preferences": {"terms.email": False}}, None),
        (
            "news",
            {"suppressed": {"email": "bounced"}, "given": {"email": False}},
            "suppressed by profile: bounced",
        ),
        # What is no topic: transactional and service messages as without topics; others by the regime.
        ("transactional", {"given": {"email": False}}, None),
        ("service", {"country": "DE"}, None),
        ("marketing", {"country": "US"}, None),
        (
            "marketing",
            {"country": "DE"},
            "no_consent by profile: the profile has not consented to email, and silence refuses (opt_in, DE)",
        ),
    ],
)
def test_the_first_that_refuses_is_the_reason(topic: str, known: dict[str, Any], expected: str | None) -> None:
    assert refusal(topic, **known) == expected


def test_a_refusal_holds_whether_or_not_its_topic_is_deployed() -> None:
    for topics in (TOPICS, DeployedTopics()):
        assert refusal("surveys", topics=topics, preferences={"surveys.email": False}, **YES) is not None


def test_without_topics_silence_means_what_the_channel_says() -> None:
    assert refusal("news", topics=DeployedTopics(), country="DE") is None


def test_a_receiver_that_is_no_person_is_asked_for_no_consent() -> None:
    assert refusal("news", channel="webhook", country="DE") is None
    named = DeployedTopics(parse_topics(f"{DOCUMENT}regimes: [{{regime: opt_in, channels: [webhook]}}]", "t.yaml"))
    assert refusal("news", topics=named, channel="webhook", country="DE") is not None


def test_what_conditions_see_of_a_channel_is_the_answer_for_a_message_without_a_topic() -> None:
    for given, country in product((None, True, False), ("US", "DE", None)):
        facts = ConsentFacts({} if given is None else {"email": given}, {}, traits={"country": country})
        seen = consent_by_channel(facts, TOPICS)
        assert seen["email"] == (find_refusal("email", "marketing", facts, TOPICS) is None)


@pytest.mark.parametrize(
    ("traits", "country"),
    [
        ({"country": " de "}, "DE"),
        ({"country": "UK"}, "GB"),
        ({"country": "Germany"}, None),
        ({"country": 49}, None),
        ({"address": {"country": "fr"}}, "FR"),
        ({"country": "Germany", "address": {"country": "FR"}}, "FR"),
        ({"address": "Bonn"}, None),
        ({}, None),
    ],
)
def test_the_country_is_a_code_of_two_letters(traits: dict[str, Any], country: str | None) -> None:
    assert country_of(traits) == country
