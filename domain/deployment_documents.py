"""The kinds of documents that hold once for the whole deployment.

A kind is an author's model, a check that compiles it to rules, and a line in DEPLOYMENT_DOCUMENTS. The table, the
routes, the commands, the schema and the validation follow from that line.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, Literal, TypeVar, cast

from msgspec import Struct

from domain.ad_audiences.audiences_document import INITIAL_AUDIENCES, AdAudiencesDocument, parse_audiences
from domain.ad_audiences.audiences_document import to_document as audience_to_document
from domain.ad_audiences.rules import AdAudienceRule
from domain.campaign.schema import DocumentModel
from domain.data_plan.declared import DeclaredEventRule
from domain.data_plan.events_document import INITIAL_EVENTS, EventsDocument, parse_events
from domain.data_plan.events_document import to_document as event_to_document
from domain.errors import NotFoundError
from domain.people.computed_document import (
    INITIAL_COMPUTED,
    ComputedDocument,
    NamedTrait,
    parse_computed,
    to_trait_document,
)
from domain.people.lifecycle import StageRule
from domain.people.lifecycle_document import INITIAL_LIFECYCLE, LifecycleDocument, parse_lifecycle
from domain.people.lifecycle_document import to_document as stage_to_document
from domain.people.places.deployed import PlaceRule
from domain.people.places_document import INITIAL_PLACES, PlacesDocument, parse_places
from domain.people.places_document import to_document as place_to_document
from domain.people.rfm.rule import RFM as RFM_NAME
from domain.people.rfm.rule import RfmRule
from domain.people.rfm_document import INITIAL_RFM, RfmDocument, parse_rfm, to_rfm_document
from domain.people.topics.deployed import ConsentRule, RegimeRule, TopicRule
from domain.people.topics_document import INITIAL_TOPICS, TopicsDocument, parse_topics
from domain.people.topics_document import name_of as name_of_consent_rule
from domain.people.topics_document import to_document as consent_rule_to_document
from domain.retention_document import INITIAL_RETENTION, RetentionDocument, RetentionRule, parse_retention
from domain.retention_document import to_document as retention_to_document
from domain.sending.caps import CapRule
from domain.sending.caps_document import INITIAL_CAPS, CapsDocument, parse_caps
from domain.sending.caps_document import to_document as cap_to_document
from domain.sending.providers_document import INITIAL_PROVIDERS, ProvidersDocument, parse_providers
from domain.sending.providers_document import name_of as provider_name_of
from domain.sending.providers_document import to_document as provider_to_document
from domain.sending.replies_document import INITIAL_REPLIES, RepliesDocument, ReplyPattern, parse_replies
from domain.sending.replies_document import to_document as reply_to_document
from domain.sending.routes import ProvidersRule
from domain.sending.senders import PostalAddressRule, SenderRule, SendersRule
from domain.sending.senders_document import INITIAL_SENDERS, SendersDocument, parse_senders
from domain.sending.senders_document import name_of as name_of_sender
from domain.sending.senders_document import to_document as sender_to_document
from domain.tracking.page_triggers import PageTrigger
from domain.tracking.page_triggers_document import INITIAL_PAGE_TRIGGERS, PageTriggersDocument, parse_page_triggers
from domain.tracking.page_triggers_document import to_document as page_trigger_to_document

Rule = TypeVar("Rule")


class DocumentKind(Struct, Generic[Rule], frozen=True):
    """A kind of document: a list of named rules.

    `name` is that of its routes, its schema and its rows; `command` that of its commands. `initial` is the document of
    version 0, `example` that of the API's document. `parse` takes the text and the file's name, and raises
    InvalidDocumentError with all problems. `name_of` and `to_document` give a rule's name, and the rule as authors
    write it. If events or messages are routed by the rules, an apply changes the registry's revision. `pending` tells
    what an operation does for rules that are not ready.
    """

    name: str
    command: str
    title: str
    model: type[DocumentModel]
    rule: type[Rule]
    initial: str
    example: str
    parse: Callable[[str, str], Sequence[Rule]]
    name_of: Callable[[Rule], str]
    to_document: Callable[[Rule], dict[str, Any]]
    routes: bool
    pending: str = ""


class RuleReader(Struct, frozen=True):
    """A version of a campaign or segment, a hold or an audience that names a rule.

    Users enter the version of the campaign, or journeys are on it; that of the segment is in force. Holds and audiences
    have no version, and a hold has its id as its key.
    """

    kind: Literal["campaign", "segment", "hold", "audience"]
    key: str
    version: int | None

    def __str__(self) -> str:
        return f"{self.kind} {self.key}" + ("" if self.version is None else f" (version {self.version})")


class RuleChange(Struct, frozen=True):
    """A rule that a document adds, removes or changes; as authors write it.

    `read_by` are the campaigns, segments and holds that name the rule as it is now.
    """

    kind: Literal["added", "removed", "changed"]
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    read_by: Sequence[RuleReader] = ()


def _trait_to_document(trait: NamedTrait) -> dict[str, Any]:
    # Other sources are another rule, which authors write once for all.
    sources = {"server_sources": list(trait.rule.server_sources)} if trait.rule.server_sources else {}
    return {"key": trait.key, **to_trait_document(trait), **sources}


FREQUENCY_CAPS: Final = DocumentKind(
    name="frequency-caps",
    command="caps",
    title="frequency caps",
    model=CapsDocument,
    rule=CapRule,
    initial=INITIAL_CAPS,
    example="rules:\n  - {name: weekly, limit: 3, per: calendar_week, min_gap: 4h}\n",
    parse=parse_caps,
    name_of=lambda rule: rule.name,
    to_document=cap_to_document,
    routes=False,
)

DECLARED_EVENTS: Final = DocumentKind(
    name="events",
    command="events",
    title="declared events",
    model=EventsDocument,
    rule=DeclaredEventRule,
    initial=INITIAL_EVENTS,
    example="events:\n  Order Completed:\n    properties: {value: number, currency: {values: [EUR, USD]}}\n",
    parse=parse_events,
    name_of=lambda rule: rule.name,
    to_document=event_to_document,
    routes=False,
)

COMPUTED: Final = DocumentKind(
    name="computed",
    command="computed",
    title="computed traits",
    model=ComputedDocument,
    rule=NamedTrait,
    initial=INITIAL_COMPUTED,
    example="computed:\n  orders: {count: Order Completed}\n",
    parse=parse_computed,
    name_of=lambda trait: trait.key,
    to_document=_trait_to_document,
    routes=True,
    pending="past events are counted for {rules}, without a value until then",
)

LIFECYCLE: Final = DocumentKind(
    name="lifecycle",
    command="lifecycle",
    title="life cycle",
    model=LifecycleDocument,
    rule=StageRule,
    initial=INITIAL_LIFECYCLE,
    example='stages:\n  - {key: reach, when: "true"}\n  - {key: conversion, when: profile.user_id != null}\n'
    "designed: [reach > conversion]\naims: {reach: conversion}\n",
    parse=parse_lifecycle,
    name_of=lambda stage: stage.key,
    to_document=stage_to_document,
    routes=True,
    pending="everyone is judged by {rules}",
)

RETENTION: Final = DocumentKind(
    name="retention",
    command="retention",
    title="retention",
    model=RetentionDocument,
    rule=RetentionRule,
    initial=INITIAL_RETENTION,
    example="retention:\n  events: 400d\n  message_ids: 30d\n",
    parse=parse_retention,
    name_of=lambda rule: rule.kind,
    to_document=retention_to_document,
    routes=False,
)

PLACES: Final = DocumentKind(
    name="places",
    command="places",
    title="places and areas",
    model=PlacesDocument,
    rule=PlaceRule,
    initial=INITIAL_PLACES,
    example="places:\n  - {key: harbour-shop, point: [53.5438, 9.9666], radius: 150, tags: [shop]}\n",
    parse=parse_places,
    name_of=lambda rule: rule.key,
    to_document=place_to_document,
    routes=True,
)

PROVIDERS: Final = DocumentKind(
    name="providers",
    command="providers",
    title="providers",
    model=ProvidersDocument,
    rule=cast(type[ProvidersRule], ProvidersRule),
    initial=INITIAL_PROVIDERS,
    example="providers:\n  relay: {kind: smtp, channel: email, host: mail.example.com, per_second: 50}\n",
    parse=parse_providers,
    name_of=provider_name_of,
    to_document=provider_to_document,
    routes=True,
)

AUDIENCES: Final = DocumentKind(
    name="audiences",
    command="audiences",
    title="audiences",
    model=AdAudiencesDocument,
    rule=AdAudienceRule,
    initial=INITIAL_AUDIENCES,
    example="audiences:\n  trial-unused: {provider: meta, id: '120210000000000000', identifiers: [email]}\n",
    parse=parse_audiences,
    name_of=lambda rule: rule.name,
    to_document=audience_to_document,
    routes=True,
)

RFM: Final = DocumentKind(
    name=RFM_NAME,
    command=RFM_NAME,
    title="RFM scores",
    model=RfmDocument,
    rule=RfmRule,
    initial=INITIAL_RFM,
    example="rfm: {event: Order Completed, value: event.properties.value, within: 365d, timezone: Europe/Berlin}\n",
    parse=parse_rfm,
    name_of=lambda _: RFM_NAME,
    to_document=to_rfm_document,
    routes=True,
    pending="people have no scores until past events are counted for {rules}",
)

SENDERS: Final[DocumentKind[SendersRule]] = DocumentKind(
    name="senders",
    command="senders",
    title="senders",
    model=SendersDocument,
    rule=cast(type[SendersRule], SenderRule | PostalAddressRule),
    initial=INITIAL_SENDERS,
    example="senders:\n  - {owner: anna@example.com, from: Anna Berg <anna@example.com>}\n",
    parse=parse_senders,
    name_of=name_of_sender,
    to_document=sender_to_document,
    routes=True,
)

TOPICS: Final[DocumentKind[ConsentRule]] = DocumentKind(
    name="topics",
    command="topics",
    title="topics",
    model=TopicsDocument,
    rule=cast(type[TopicRule | RegimeRule], TopicRule | RegimeRule),
    initial=INITIAL_TOPICS,
    example="topics:\n  - {key: newsletter, name: Newsletter, channels: [email]}\n",
    parse=parse_topics,
    name_of=name_of_consent_rule,
    to_document=consent_rule_to_document,
    routes=True,
)

REPLIES: Final = DocumentKind(
    name="replies",
    command="replies",
    title="replies",
    model=RepliesDocument,
    rule=ReplyPattern,
    initial=INITIAL_REPLIES,
    example="patterns:\n  - {name: price, when: ['\\bprice\\b', 'how much']}\n",
    parse=parse_replies,
    name_of=lambda rule: rule.name,
    to_document=reply_to_document,
    routes=False,
)

PAGE_TRIGGERS: Final = DocumentKind(
    name="page-triggers",
    command="page-triggers",
    title="page triggers",
    model=PageTriggersDocument,
    rule=PageTrigger,
    initial=INITIAL_PAGE_TRIGGERS,
    example="triggers:\n"
    "  - {name: pricing, event: Pricing Studied, kind: time_on_page, seconds: 30, where: [/pricing]}\n",
    parse=parse_page_triggers,
    name_of=lambda rule: rule.name,
    to_document=page_trigger_to_document,
    routes=True,
)

DEPLOYMENT_DOCUMENTS: Final[Mapping[str, DocumentKind[Any]]] = {
    kind.name: kind
    for kind in (
        FREQUENCY_CAPS,
        DECLARED_EVENTS,
        COMPUTED,
        LIFECYCLE,
        RFM,
        RETENTION,
        PLACES,
        PROVIDERS,
        AUDIENCES,
        SENDERS,
        TOPICS,
        REPLIES,
        PAGE_TRIGGERS,
    )
}


def deployment_document(name: str) -> DocumentKind[Any]:
    """Return the kind of this name. Raises NotFoundError."""
    if name not in DEPLOYMENT_DOCUMENTS:
        raise NotFoundError(f"there is no document {name}; there are {', '.join(DEPLOYMENT_DOCUMENTS)}", name=name)
    return DEPLOYMENT_DOCUMENTS[name]


def compare_rules(kind: DocumentKind[Rule], before: Sequence[Rule], after: Sequence[Rule]) -> list[RuleChange]:
    """Return the rules that differ, by name: removed ones first, then as in `after`."""
    old = {kind.name_of(rule): kind.to_document(rule) for rule in before}
    new = {kind.name_of(rule): kind.to_document(rule) for rule in after}
    removed = [RuleChange("removed", name, rule, None) for name, rule in old.items() if name not in new]
    return removed + [
        RuleChange("changed" if name in old else "added", name, old.get(name), rule)
        for name, rule in new.items()
        if old.get(name) != rule
    ]
