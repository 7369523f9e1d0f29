"""Previews of messages for real and invented people. Nothing is sent or changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import to_builtins
from msgspec.structs import replace

from application.accounts import read_account
from application.campaign_texts import check_campaign
from application.catalogue import Catalogue
from application.documents import CampaignText, Documents
from application.message_templates import unknown_template
from application.people import unknown_person
from domain.access import Actor
from domain.deployment_documents import SENDERS
from domain.errors import NotFoundError
from domain.people.account_view import NO_ACCOUNT
from domain.people.identity import PersonRef
from domain.people.profile_updates import with_computed
from domain.sending.previewed_people import GivenPerson, PreviewedPerson, merge_given
from domain.sending.previews import MessagePreview, PreviewedMessage, PreviewOptions, find_message
from domain.sending.senders import DeployedSenders
from domain.sending.single_messages import REQUESTED, STEP, template_key
from domain.tracking.event import stored_event
from store import (
    accounts,
    audit,
    campaigns,
    documents,
    events,
    latest_journeys,
    people_sample,
    profiles,
    single_messages,
)
from store.database import Connection, Database
from store.people_sample import WHOLE


@dataclass(frozen=True, slots=True)
class PublishedMessage:
    """The message of a step of a published campaign; the latest version without one.

    `channel` is one of a step that has several; the first one without a name.
    """

    campaign: str
    step: str
    version: int | None = None
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class DraftMessage:
    """The message of a step of a document that need not be published."""

    text: CampaignText
    step: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class SingleMessageTemplate:
    """The published template of single messages."""

    channel: str
    name: str


MessageChoice = PublishedMessage | DraftMessage | SingleMessageTemplate | PreviewedMessage


def names_channel(choice: MessageChoice) -> bool:
    """Whether a choice says by which channel of its step the message goes."""
    return isinstance(choice, PublishedMessage | DraftMessage) and choice.channel is not None


@dataclass(frozen=True, slots=True)
class PreviewInput:
    """A request for a preview: the message, the person, the instant, and the language."""

    message: MessageChoice
    user: PersonRef | None = None
    given: GivenPerson | None = None
    at: datetime | None = None
    language: str | None = None
    timezone: str | None = None


class Previews:
    """Renders messages in the processes that check documents.

    `timezone` is the deployment's. `public_url` begins the links of messages.
    """

    def __init__(
        self, database: Database, catalogue: Catalogue, documents: Documents, timezone: str, public_url: str
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._documents = documents
        self._timezone = timezone
        self._public_url = public_url

    async def preview(self, wanted: PreviewInput, *, by: Actor) -> MessagePreview:
        """Render a message for a person; the audit log says who looked at a real one.

        Raises NotFoundError for an unknown campaign, version, message or person, and InvalidDocumentError for documents
        and templates with problems.
        """
        message = await self._find_message(wanted.message)
        async with self._database.own_transaction() as connection:
            at = wanted.at or connection.clock.now()
            senders = DeployedSenders((await documents.latest(connection, SENDERS)).rules)
            person = None
            if wanted.user is not None:
                person = await self._read_person(connection, wanted.user, message, at)
                await audit.record_look(connection, by, "user.read", wanted.user.id)
        if wanted.given is not None:
            person = merge_given(person or PreviewedPerson(), wanted.given, message.entry_event, at)
        options = PreviewOptions(at, wanted.language, wanted.timezone, self._timezone, self._public_url, senders)
        return await self._documents.preview(message, person, options)

    async def _find_message(self, choice: MessageChoice) -> PreviewedMessage:
        match choice:
            case PublishedMessage(campaign=key, step=step, version=number, channel=channel):
                async with self._database.own_transaction() as connection:
                    campaign = await campaigns.campaign(connection, key)
                    if campaign is None:
                        raise NotFoundError(f"there is no campaign {key}", campaign=key)
                    number = campaign.latest_version if number is None else number
                    version = await campaigns.version(connection, key, number)
                if version is None:
                    raise NotFoundError(f"campaign {key} has no version {number}", campaign=key, version=number)
                return find_message(
                    key, version.plan, version.rules, version.templates, step, channel, version.compiled_bodies
                )
            case DraftMessage(text=text, step=step, channel=channel):
                checked = await check_campaign(self._database, self._documents, text)
                key = checked.definition.key
                return find_message(
                    key, checked.plan, checked.rules, checked.templates, step, channel, checked.compiled_bodies
                )
            case SingleMessageTemplate(channel=channel, name=name):
                key = template_key(channel, name)
                async with self._database.own_transaction() as connection:
                    stored = await single_messages.find_template(connection, key)
                    if stored is None:
                        raise await unknown_template(connection, channel, name)
                message = find_message(
                    key, stored.plan, stored.rules, stored.templates, STEP, None, stored.compiled_bodies
                )
                return replace(message, entry_event=REQUESTED)
            case PreviewedMessage():
                return choice

    async def _read_person(
        self, connection: Connection, ref: PersonRef, message: PreviewedMessage, at: datetime
    ) -> PreviewedPerson:
        """Return a real person, with the entry of their newest journey in the campaign.

        Without a journey, it is their last event of the kind that starts one.
        """
        deployed = await self._catalogue.load_segments(connection)
        profile_id = await profiles.find(connection, ref)
        found = [] if profile_id is None else await people_sample.read(connection, [profile_id], WHOLE)
        if not found:
            raise unknown_person(ref)
        person = with_computed(found[0], deployed, at)
        journey = await latest_journeys.find(connection, person.id, message.campaign)
        entry = journey.entry if journey else await _find_entry(connection, person.id, message.entry_event)
        if entry is not None:
            account = await read_account(
                connection, person.id, stored_event(entry), journey.account_id if journey else None
            )
        else:
            views = await accounts.views(connection, [(person.id, None)])
            account = views.get((person.id, None), NO_ACCOUNT)
        return PreviewedPerson(
            user_id=person.user_id,
            traits=person.traits,
            context=person.context,
            computed=person.computed,
            stage=person.stage,
            learned=person.learned,
            account=account,
            entry=entry,
            saved=journey.saved if journey else {},
            answers=journey.answers if journey else {},
            is_real=True,
        )


async def _find_entry(connection: Connection, profile_id: UUID, name: str | None) -> Mapping[str, Any] | None:
    """Return a person's last event of this name, as a journey keeps it."""
    if name is None:
        return None
    found = await (await events.latest_by_name(connection, [profile_id], [name], None, but=())).get()
    if not found:
        return None
    last = max(found, key=lambda one: one.event.timestamp).event
    entry: Mapping[str, Any] = to_builtins(last)
    return entry
