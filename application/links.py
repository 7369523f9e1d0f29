"""The uses of signed links: read, find the recipient, and report what they state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msgspec import UNSET, UnsetType
from uuid_utils.compat import uuid7

from application.catalogue import Catalogue
from application.ingest import Ingest
from domain.errors import InvalidLinkError, NotFoundError
from domain.people import links
from domain.people.address_statements import LinkStatement
from domain.people.consent import ConsentFacts
from domain.people.links import LinkPurpose, MessageLink
from domain.people.profile_state import Proof
from domain.people.surroundings import recipient_locale
from domain.people.topics.choices import PreferenceChange
from domain.people.topics.deployed import DeployedTopics
from domain.people.topics.subscription import PACE
from domain.tracking.event import OUR_CONTEXT, SOJOURN_SOURCE, CallType, Event
from store import message_recipients
from store.database import Connection, Database
from store.message_recipients import RecipientRow

LIFTED: Final[None] = None


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link with its recipient and the topics of the deployment."""

    link: MessageLink
    recipient: RecipientRow
    topics: DeployedTopics

    @property
    def locale(self) -> str | None:
        """The language of the recipient."""
        return recipient_locale(self.recipient.traits, self.recipient.context)

    @property
    def facts(self) -> ConsentFacts:
        """The refusals of the recipient."""
        person = self.recipient
        return ConsentFacts(
            person.consent_given, person.suppressed, person.refused_addresses, person.preferences, person.traits
        )

    def reaches_current_address(self) -> bool:
        """Whether the message went to the person's present address."""
        return self.recipient.address == self.recipient.current_address


class LinkReader:
    """Reads links, and reports what their recipients state."""

    def __init__(self, database: Database, catalogue: Catalogue, ingest: Ingest, link_secrets: Sequence[str]) -> None:
        self.database = database
        self._catalogue = catalogue
        self._ingest = ingest
        self._secrets = link_secrets

    async def open(self, purpose: LinkPurpose, token: str) -> OpenedLink:
        """Open a link. Raises InvalidLinkError for a foreign token, NotFoundError."""
        link = links.read(self._secrets, purpose, token)
        try:
            message_id = UUID(link.message_id)
        except ValueError as error:
            raise InvalidLinkError("this link is not valid") from error
        opened = await self.open_message(message_id)
        return replace(opened, link=link)

    async def open_message(self, message_id: UUID) -> OpenedLink:
        """Open what a message links to, by its own id. Raises NotFoundError."""
        async with self.database.transaction() as connection:
            recipient = await message_recipients.recipient(connection, message_id)
            topics = await self._load_topics(connection)
        if recipient is None:
            raise NotFoundError("the message of this link is no longer known")
        link = MessageLink(str(recipient.profile_id), recipient.channel, str(message_id))
        return OpenedLink(link, recipient, topics)

    async def _load_topics(self, connection: Connection) -> DeployedTopics:
        return (await self._catalogue.load_segments(connection)).topics

    async def report(
        self,
        opened: OpenedLink,
        change: PreferenceChange,
        reason: str,
        named: Mapping[str, Mapping[str, Any]],
        *,
        pace: str | UnsetType | None = UNSET,
        proof: Proof | None = None,
        at: datetime,
    ) -> None:
        """State a change as an identify, with the events that report it by name.

        `reason` is that of the refusals of the address. The events are not derived from the link: a person who
        consented since may refuse again by the same link.
        """
        channel = opened.link.channel
        # A link to a former address says nothing of the present one.
        link = {"link": channel} if opened.reaches_current_address() else {}
        ours = {**link, **({} if pace is UNSET else {PACE: pace})}
        batch = [_event(opened.recipient, "identify", None, {"consent": change.consent}, ours, at)]
        batch += [_event(opened.recipient, "track", name, properties, {}, at) for name, properties in named.items()]
        refusals = {**dict.fromkeys(change.lifted, LIFTED), **dict.fromkeys(change.refused, reason)}
        by_link = LinkStatement(channel, opened.recipient.address, refusals, proof)
        await self._ingest(batch, received_at=at, by_link=by_link)


def _event(
    recipient: RecipientRow,
    type: CallType,
    name: str | None,
    properties: Mapping[str, Any],
    ours: Mapping[str, Any],
    at: datetime,
) -> Event:
    id = uuid7()
    return Event(
        id=id,
        source=SOJOURN_SOURCE,
        message_id=str(id),
        type=type,
        name=name,
        user_id=recipient.user_id,
        anonymous_id=None if recipient.user_id else recipient.anonymous_id,
        properties=dict(properties),
        context={OUR_CONTEXT: dict(ours)} if ours else {},
        timestamp=at,
    )
