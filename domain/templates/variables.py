"""The variables of templates, declared once for checks, rendering, trial and docs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from domain.people.account_view import AccountView
from domain.people.learned import LearnedRow, read_instant, read_text_mark
from domain.sending.booking_links import build_booking_query


@dataclass(frozen=True, slots=True)
class TemplateFacts:
    """The data of one message from which its variables are built."""

    user_id: str | None
    traits: Mapping[str, Any]
    event: str | None
    anonymous_id: str | None
    properties: Mapping[str, Any]
    timestamp: str
    campaign_key: str
    campaign_name: str
    message_id: str
    unsubscribe_url: str | None
    preferences_url: str | None
    confirm_url: str | None
    survey_url: str
    booking_reference: str
    saved: Mapping[str, Any]
    answers: Mapping[str, Any]
    computed: Mapping[str, Any]
    stage: str | None
    account: AccountView
    learned: LearnedRow | None = None
    locale: str | None = None
    postal_address: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateVariable:
    """One variable: its path, its value, and its documentation.

    A variable of the shape `data` is an object with unknown fields. The others are values without fields.
    """

    path: tuple[str, ...]
    shape: Literal["text", "instant", "data"]
    value: Callable[[TemplateFacts], Any] = field(compare=False)
    meaning: str
    missing: str = "never"

    @property
    def name(self) -> str:
        """The path as an author writes it."""
        return ".".join(self.path)


def _write_value(value: Any) -> Any:
    """Return a computed value as JSON has it: an instant as text, a whole sum as such."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


UNSUBSCRIBE_URL: Final = TemplateVariable(
    ("unsubscribe_url",),
    "text",
    lambda facts: facts.unsubscribe_url,
    "the link by which the recipient unsubscribes from the topic or the channel",
    "in transactional messages",
)
PREFERENCES_URL: Final = TemplateVariable(
    ("preferences_url",),
    "text",
    lambda facts: facts.preferences_url,
    "the link to the recipient's [preference centre](consent.md#the-preference-centre)",
    "in transactional messages",
)
CONFIRM_URL: Final = TemplateVariable(
    ("confirm_url",),
    "text",
    lambda facts: facts.confirm_url,
    "the link by which the recipient [confirms a subscription](consent.md#double-opt-in)",
    "in all messages but transactional ones of a journey that a pending subscription started",
)
SURVEY_URL: Final = TemplateVariable(
    ("survey_url",),
    "text",
    lambda facts: facts.survey_url,
    "the link to the [survey of the message](surveys.md#in-a-mail); with `?answer=9` behind it, that answer is chosen",
)
BOOKING_QUERY: Final = TemplateVariable(
    ("booking_query",),
    "text",
    lambda facts: build_booking_query(facts.traits, facts.booking_reference),
    "the query of a [booking link](channels.md#bookings): the recipient's address and name, and the message, signed",
)
VARIABLES: Final = (
    TemplateVariable(
        ("profile", "user_id"),
        "text",
        lambda facts: facts.user_id,
        "the recipient's id in your system",
        "as long as only an anonymous id is known",
    ),
    TemplateVariable(
        ("profile", "traits"),
        "data",
        lambda facts: facts.traits,
        "the recipient's traits as they are when the message is sent",
        "each trait that is not set",
    ),
    TemplateVariable(
        ("profile", "computed"),
        "data",
        lambda facts: {key: _write_value(value) for key, value in facts.computed.items() if value is not None},
        "the recipient's [computed traits](computed.md) as they are when the message is sent",
        "each trait that has no value yet",
    ),
    TemplateVariable(
        ("profile", "stage"),
        "text",
        lambda facts: facts.stage,
        "the recipient's stage of the [life cycle](lifecycle.md) when the message is sent",
        "for those who are in none",
    ),
    TemplateVariable(
        ("profile", "first_seen"),
        "instant",
        lambda facts: _write_value(read_instant(facts.learned, "first_seen")),
        "when the recipient was [first seen](people.md#learned-by-the-profile-itself)",
        "for those who were never seen",
    ),
    TemplateVariable(
        ("profile", "last_seen"),
        "instant",
        lambda facts: _write_value(read_instant(facts.learned, "last_seen")),
        "when the recipient was last seen, to five minutes",
        "for those who were never seen",
    ),
    TemplateVariable(
        ("profile", "locale"),
        "text",
        lambda facts: facts.locale,
        "the recipient's language: the trait, else that of the newest device",
        "if neither is known",
    ),
    TemplateVariable(
        ("profile", "app_version"),
        "text",
        lambda facts: read_text_mark(facts.learned, "app_version"),
        "the version of the app that the recipient used last",
        "if none was reported",
    ),
    TemplateVariable(
        ("profile", "country"),
        "text",
        lambda facts: read_text_mark(facts.learned, "country"),
        "the country that the recipient's client reported last",
        "if none was reported",
    ),
    TemplateVariable(
        ("account", "id"),
        "text",
        lambda facts: facts.account.id,
        "the [account](people.md#accounts) that the entry event names, else the recipient's latest",
        "for a recipient of no account",
    ),
    TemplateVariable(
        ("account", "role"),
        "text",
        lambda facts: facts.account.role,
        "the recipient's role in that account",
        "if no call has said it",
    ),
    TemplateVariable(
        ("account", "traits"),
        "data",
        lambda facts: facts.account.traits,
        "the traits of that account as they are when the message is sent",
        "each trait that is not set",
    ),
    TemplateVariable(
        ("entry", "event"),
        "text",
        lambda facts: facts.event,
        "the name of the event that started the journey",
        "if an audience started it",
    ),
    TemplateVariable(
        ("entry", "anonymous_id"),
        "text",
        lambda facts: facts.anonymous_id,
        "the anonymous id that reported that event: it names the browser of a visitor who is not known yet",
        "if the event came without one, or an audience started the journey",
    ),
    TemplateVariable(
        ("entry", "properties"),
        "data",
        lambda facts: facts.properties,
        "the properties of that event",
        "each property that the event did not have; all of them if an audience started the journey",
    ),
    TemplateVariable(
        ("entry", "timestamp"),
        "instant",
        lambda facts: facts.timestamp,
        "when that event happened, or when the audience was evaluated",
    ),
    TemplateVariable(
        ("journey", "saved"),
        "data",
        lambda facts: facts.saved,
        "the values of replies that [its webhooks have saved](webhooks.md#save-values-of-the-reply)",
        "each value that the last reply did not have",
    ),
    TemplateVariable(
        ("journey", "answers"),
        "data",
        lambda facts: facts.answers,
        "the recipient's answers to [surveys of the journey](surveys.md), by step and question",
        "each question that is not answered",
    ),
    TemplateVariable(("campaign", "key"), "text", lambda facts: facts.campaign_key, "the key of the campaign"),
    TemplateVariable(("campaign", "name"), "text", lambda facts: facts.campaign_name, "the name of the campaign"),
    TemplateVariable(
        ("message", "id"),
        "text",
        lambda facts: facts.message_id,
        "the id of the message, the same in each attempt to send it",
    ),
    TemplateVariable(
        ("deployment", "postal_address"),
        "text",
        lambda facts: facts.postal_address,
        "the postal address in the document of [senders](#senders)",
        "if that has none",
    ),
    UNSUBSCRIBE_URL,
    PREFERENCES_URL,
    CONFIRM_URL,
    SURVEY_URL,
    BOOKING_QUERY,
)
# The top-level names, each with its fields; None for a value or data by itself.
ROOTS: Final[Mapping[str, frozenset[str] | None]] = {
    root: frozenset(each.path[1] for each in VARIABLES if each.path[0] == root and each.path[1:]) or None
    for root in dict.fromkeys(each.path[0] for each in VARIABLES)
}
# The objects whose fields only the authors know.
DATA: Final = tuple(each.path for each in VARIABLES if each.shape == "data")


def build_variables(facts: TemplateFacts) -> dict[str, Any]:
    """Return the variables of one message by top-level name, without absent ones."""
    return nest({each.path: value for each in VARIABLES if (value := each.value(facts)) is not None})


def nest(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """Build nested objects from values by path."""
    nested: dict[str, Any] = {}
    for path, value in values.items():
        *parents, last = path
        parent = nested
        for name in parents:
            parent = parent.setdefault(name, {})
        parent[last] = value
    return nested
