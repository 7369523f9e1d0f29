"""The document of topics: what people subscribe to, and what silence means."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from domain.campaign.schema import SLUG, DocumentModel, Given, Listed, Text, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.steps.send import ChannelName
from domain.document.texts_by_language import LanguageTag, read_texts, texts_schema
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.topics.deployed import SERVICE, ConsentRule, Regime, RegimeRule, TopicDefault, TopicRule
from domain.sending.caps import ONE_TIME_CODE, TRANSACTIONAL

INITIAL_TOPICS: Final = "topics: []\n"
MAX_TOPICS: Final = 50
MAX_REGIMES: Final = 50
MAX_COUNTRIES: Final = 250

_COUNTRY: Final = r"[A-Z]{2}"
_RESERVED: Final = (TRANSACTIONAL, ONE_TIME_CODE, SERVICE)
_SPELT: Final = {"UK": "GB", "EL": "GR"}


def _check_topic_key(key: str) -> str:
    if key in _RESERVED:
        refuse(f"`{key}` is a category of its own, of which nothing is a topic", "Write another key")
    return key


def _check_country(code: str) -> str:
    if (meant := _SPELT.get(code)) is not None:
        refuse(f"`{code}` is not the code of a country", f"Write `{meant}`")
    return code


TextsByLanguage = Annotated[dict[LanguageTag, Text], BeforeValidator(read_texts), WithJsonSchema(texts_schema(200))]
TopicKey = Annotated[str, Field(pattern=SLUG, max_length=64), AfterValidator(_check_topic_key)]
CountryCode = Annotated[str, Field(pattern=f"^{_COUNTRY}$"), AfterValidator(_check_country)]


class TopicModel(DocumentModel):
    """A topic that people subscribe to and unsubscribe from."""

    key: TopicKey = Field(description="its key, which the `category` of a send names")
    name: TextsByLanguage = Field(description="its name for people: a text, or one by language")
    description: Annotated[TextsByLanguage | None, Given] = Field(
        None, description="what it is about, as its name: one sentence of the preference centre"
    )
    channels: Annotated[tuple[ChannelName, ...], Listed, Field(min_length=1)] = Field(
        ("email",), description="the channels on which it is sent"
    )
    default: TopicDefault = Field(
        "opted_in",
        description="what silence means: `opted_in` lets it pass where the regime does, `opted_out` needs a yes, "
        "`double` one that is confirmed",
    )
    required: bool = Field(False, description="whether it cannot be refused by itself; a refused channel stops it")


class RegimeModel(DocumentModel):
    """The meaning of silence on channels in countries; the first that fits holds."""

    regime: Regime = Field(description="`opt_in`: nothing goes without a yes; `opt_out`: silence lets messages pass")
    channels: Annotated[tuple[ChannelName, ...], Listed] = Field((), description="the channels; all if left out")
    countries: Annotated[tuple[CountryCode, ...], Listed, Field(max_length=MAX_COUNTRIES)] = Field(
        (), description="countries of ISO 3166: `[US]`; all if left out, also an unknown one"
    )


class TopicsDocument(DocumentModel):
    """The topics of the deployment, and what silence means by country and channel."""

    topics: Annotated[tuple[TopicModel, ...], Listed, Field(max_length=MAX_TOPICS)] = Field(
        description="what people subscribe to; `[]` for nothing"
    )
    regimes: Annotated[tuple[RegimeModel, ...], Listed, Field(max_length=MAX_REGIMES)] = Field(
        (RegimeModel(regime="opt_out", channels=("email",), countries=("US",)),),
        description="what silence means, and `opt_in` where none holds, but for messages in the app; by default "
        "`opt_out` for e-mail in the US only",
    )


def parse_topics(text: str, file: str) -> tuple[ConsentRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems.

    Without topics there are no regimes either: silence then means what each channel says.
    """
    source = read(text, file)
    document, problems = validate(TopicsDocument, source)
    problems += source.problems
    if document is not None:
        problems += list(_find_faults(document, source))
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    if not document.topics:
        return ()
    topics = (
        TopicRule(
            key=one.key,
            names=one.name,
            channels=one.channels,
            default=one.default,
            descriptions=one.description or {},
            is_required=one.required,
        )
        for one in document.topics
    )
    return (*topics, *(RegimeRule(one.regime, one.channels, one.countries) for one in document.regimes))


def _find_faults(document: TopicsDocument, source: YamlSource) -> Iterator[Problem]:
    """Find what is written twice, regimes that never hold, and contradictions."""
    used: set[str] = set()
    for number, topic in enumerate(document.topics):
        path: Path = ("topics", number)
        if topic.key in used:
            yield source.problem((*path, "key"), f"`{topic.key}` is used twice", "Write another key")
        used.add(topic.key)
        if topic.required and topic.default != "opted_in":
            said = f"a required topic is never refused, and `default: {topic.default}` waits for a yes"
            yield source.problem((*path, "default"), said, "Take `default` or `required` out")
    if not document.topics and "regimes" in document.model_fields_set:
        yield source.problem(("regimes",), "without topics no regime holds", "Write a topic, or take `regimes` out")
    for number, regime in enumerate(document.regimes):
        if any(_covers(earlier, regime) for earlier in document.regimes[:number]):
            said = "it never holds: one before it concerns the same people"
            yield source.problem(("regimes", number), said, "Put it before that one, or take it out")


def _covers(one: RegimeModel, other: RegimeModel) -> bool:
    return all(
        not mine or (theirs and set(theirs) <= set(mine))
        for mine, theirs in ((one.channels, other.channels), (one.countries, other.countries))
    )


def name_of(rule: ConsentRule) -> str:
    """Return the name by which rules are compared."""
    return rule.key if isinstance(rule, TopicRule) else rule.label


def to_document(rule: ConsentRule) -> dict[str, Any]:
    """Return a rule as authors write it."""
    if isinstance(rule, RegimeRule):
        scope = {"channels": list(rule.channels), "countries": list(rule.countries)}
        return {"regime": rule.regime, **{name: listed for name, listed in scope.items() if listed}}
    described = {"description": _to_texts(rule.descriptions)} if rule.descriptions else {}
    required = {"required": True} if rule.is_required else {}
    return {
        "key": rule.key,
        "name": _to_texts(rule.names),
        **described,
        "channels": list(rule.channels),
        "default": rule.default,
        **required,
    }


def _to_texts(texts: Mapping[str, str]) -> Any:
    return texts[""] if set(texts) == {""} else dict(texts)
