"""The document of topics, and its faults with their remedies."""

import pytest

from domain.deployment_documents import TOPICS
from domain.errors import InvalidDocumentError
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.topics.deployed import DeployedTopics, RegimeRule, TopicRule
from domain.people.topics_document import parse_topics, to_document

FULL = """
topics:
  - key: newsletter
    name: {en: Newsletter, de: Rundbrief}
    description: {en: News of the shop, de: Neues aus dem Laden}
    channels: [email]
    default: double
  - {key: terms, name: Terms, required: true}
regimes:
  - {regime: opt_out, channels: [email], countries: [US, AU]}
  - {regime: opt_in}
"""


def test_a_document_has_topics_and_regimes_in_their_order() -> None:
    assert parse_topics(FULL, "topics.yaml") == (
        TopicRule(
            "newsletter",
            {"en": "Newsletter", "de": "Rundbrief"},
            ("email",),
            "double",
            {"en": "News of the shop", "de": "Neues aus dem Laden"},
        ),
        TopicRule("terms", {"": "Terms"}, ("email",), is_required=True),
        RegimeRule("opt_out", ("email",), ("US", "AU")),
        RegimeRule("opt_in"),
    )


def test_rules_are_shown_as_authors_write_them() -> None:
    shown = [to_document(rule) for rule in parse_topics(FULL, "topics.yaml")]
    assert shown == [
        {
            "key": "newsletter",
            "name": {"en": "Newsletter", "de": "Rundbrief"},
            "description": {"en": "News of the shop", "de": "Neues aus dem Laden"},
            "channels": ["email"],
            "default": "double",
        },
        {"key": "terms", "name": "Terms", "channels": ["email"], "default": "opted_in", "required": True},
        {"regime": "opt_out", "channels": ["email"], "countries": ["US", "AU"]},
        {"regime": "opt_in"},
    ]
    names = [TOPICS.name_of(rule) for rule in parse_topics(FULL, "topics.yaml")]
    assert names[2:] == ["opt_out: email in US, AU", "opt_in: every channel in every country"]


def test_by_default_silence_passes_for_mail_in_the_us_alone() -> None:
    *_, regime = parse_topics("topics: [{key: a, name: A}]", "topics.yaml")
    assert regime == RegimeRule("opt_out", ("email",), ("US",))
    assert parse_topics("topics: []", "topics.yaml") == ()


@pytest.mark.parametrize(
    ("regimes", "passes"),
    [
        ("", True),
        ("regimes: [{regime: opt_in, channels: [email]}]", True),
        ("regimes: [{regime: opt_in, countries: [DE]}]", False),
        ("regimes: [{regime: opt_in, channels: [in_app]}]", False),
    ],
)
def test_messages_in_the_app_need_a_yes_only_where_a_regime_says_so(regimes: str, passes: bool) -> None:
    text = f"topics: [{{key: a, name: A, channels: [in_app, sms]}}]\n{regimes}"
    topics = DeployedTopics(parse_topics(text, "topics.yaml"))
    said_nothing = ConsentFacts({}, {}, traits={"country": "DE"})
    assert (find_refusal("in_app", "a", said_nothing, topics) is None) == passes
    assert find_refusal("sms", "a", said_nothing, topics) is not None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("topics: [{key: a, name: A}, {key: a, name: B}]", "`a` is used twice"),
        ("topics: [{key: transactional, name: A}]", "`transactional` is a category of its own"),
        ("topics: [{key: service, name: A}]", "`service` is a category of its own"),
        ("topics: [{key: a, name: {}}]", "a mapping is not a text"),
        ("topics: [{key: a, name: {english: A}}]", "`english` is not a language"),
        ("topics: [{key: a, name: A, channels: [fax]}]", "`fax`"),
        ("topics: [{key: a, name: A, channels: []}]", "the list is empty"),
        ("topics: [{key: a, name: A, default: asked}]", "`asked`"),
        ("topics: [{key: a, name: A, required: true, default: double}]", "`default: double` waits for a yes"),
        ("topics: []\nregimes: [{regime: opt_in}]", "without topics no regime holds"),
        ("topics: [{key: a, name: A}]\nregimes: [{regime: opt_in, countries: [UK]}]", "`UK` is not the code"),
        ("topics: [{key: a, name: A}]\nregimes: [{regime: opt_in}, {regime: opt_out}]", "it never holds"),
        (
            "topics: [{key: a, name: A}]\n"
            "regimes: [{regime: opt_in, countries: [DE, FR]}, {regime: opt_out, countries: [FR], channels: [email]}]",
            "it never holds",
        ),
    ],
)
def test_faults_are_named_with_a_remedy(text: str, fault: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_topics(text, "topics.yaml")
    [problem] = refused.value.problems
    assert fault in problem.message
    assert problem.suggestion
