"""Send a preview to an address of the operator's choice, marked as a test.

It goes through the real provider and is audited. Caps, warm-up and funnels do not count it: the ledger has none of it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from uuid_utils.compat import uuid7

from application.attachments import ATTACHMENTS, AttachmentFiles
from application.catalogue import Catalogue
from application.people import read_people
from application.previews import PreviewInput, Previews, names_channel
from application.providers import FoundProvider, ProviderSource
from domain.access import Actor
from domain.channels.kind import Unreachable
from domain.channels.kinds import CHANNELS
from domain.errors import ConflictError, InvalidDocumentError, Problem
from domain.people.consent import ConsentFacts, find_refusal
from domain.people.links import INERT
from domain.sending.caps import is_transactional
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Outbound, Rejected, Unavailable
from domain.sending.previews import MessagePreview
from store import addresses, audit, campaigns, circuits, people
from store.database import Connection, Database
from store.people import PersonFilter

# People with one address whose consent is read.
MAX_PEOPLE: Final = 100
_BUCKET: Final = "test"

SendTestOutcome = Literal["accepted", "rejected", "unavailable", "unknown"]


@dataclass(frozen=True, slots=True)
class SentTest:
    """A test and what its provider answered, with the reason if it did not accept it."""

    message_id: UUID
    provider: str
    outcome: SendTestOutcome
    provider_id: str | None
    detail: str | None
    preview: MessagePreview


class SendTests:
    """Sends tests. `public_url` begins their links, which open nothing."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        previews: Previews,
        providers: ProviderSource,
        public_url: str,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._previews = previews
        self._providers = providers
        self._public_url = public_url
        self._files = AttachmentFiles(database)

    async def send(self, wanted: PreviewInput, to: str, *, by: Actor) -> SentTest:
        """Render a message and hand it over for an address.

        Raises ConflictError if the address refuses the message, or it cannot go to an address, and InvalidDocumentError
        if it fails for the person, attaches a file that is not stored, the address is none, or its step has several
        channels and none is named. Errors of previews pass through.
        """
        preview = await self._previews.preview(wanted, by=by)
        if len(preview.channels) > 1 and not names_channel(wanted.message):
            said = f"step {preview.step} of {preview.campaign} goes by {' or '.join(preview.channels)}"
            raise InvalidDocumentError([Problem("request", 1, "channel", said, "Name the channel of the test")])
        if preview.content is None:
            raise InvalidDocumentError(preview.problems)
        kind = CHANNELS[preview.channel]
        content = kind.mark_as_test(preview.content)
        if content is None:
            raise ConflictError(f"a message of the channel {preview.channel} goes to no address: preview it instead")
        traits = dict.fromkeys(kind.address_traits, to)
        found = kind.addresses(traits)
        value = kind.normalized_address(traits)
        if isinstance(found, Unreachable) or value is None:
            said = f"`{to}` is not an address of the channel {preview.channel}"
            raise InvalidDocumentError([Problem("request", 1, "to", said, "Write one that can be sent to")])
        message_id = uuid7()
        provider = await self._choose_provider(preview)
        content = await self._files.attach({**content, ATTACHMENTS: preview.attachments})
        async with self._database.transaction() as connection:
            await self._refuse(connection, preview, value)
            data = {
                "step": preview.step,
                "template": preview.template,
                "channel": preview.channel,
                "provider": provider.name,
                "message_id": str(message_id),
            }
            await audit.record(connection, by, "template.send_test", preview.campaign, data)
        # The provider may be slow. An Idempotency-Key is taken from here on, so that no repeat sends anything.
        await self._database.commit_before_call()
        is_refusable = not is_transactional(preview.category)
        unsubscribe_url = f"{self._public_url}/unsubscribe/{INERT}" if is_refusable else None
        message = Outbound(str(message_id), content, preview.at, unsubscribe_url)
        delivery = await provider.provider.deliver(message, found[0])
        return _describe(message_id, provider.name, delivery, preview)

    async def _refuse(self, connection: Connection, preview: MessagePreview, value: str) -> None:
        """Raise ConflictError if the address, or a person who has it, refuses the message.

        Silence does not refuse a test.
        """
        channel = preview.channel
        which = PersonFilter(addresses={channel: value})
        page = await people.page(connection, which, {}, limit=MAX_PEOPLE, after=None)
        refused = await (await addresses.find_refused(connection, (), [(channel, value)])).get()
        own = {channel: refused.get((channel, value), {})}
        known = await read_people(connection, [one.id for one in page.people])
        facts = [ConsentFacts({channel: True}, {}, own)]
        facts += [
            ConsentFacts({channel: True} | one.consent_given, one.suppressed, own, one.preferences, one.traits)
            for one in known.values()
        ]
        for each in facts:
            if (refusal := find_refusal(channel, preview.category, each)) is not None:
                raise ConflictError(f"the address refuses the message: {refusal.detail}", reason=refusal.reason)

    async def _choose_provider(self, preview: MessagePreview) -> FoundProvider:
        """Return the first provider of the message's route whose circuit is closed."""
        async with self._database.own_transaction() as connection:
            revision = await campaigns.lock_registry_shared(connection)
            deployed = await self._catalogue.providers_at(connection, revision)
            route = deployed.route(preview.channel, preview.category)
            broken: Collection[str] = await circuits.find_broken(connection)
            ranked = sorted(route.rank(_BUCKET), key=lambda name: name in broken) if route else []
            for name in ranked:
                if (found := await self._providers.find(connection, revision, preview.channel, name)) is not None:
                    return found
        raise ConflictError(f"no provider of this deployment takes messages of the channel {preview.channel}")


def _describe(message_id: UUID, provider: str, delivery: Delivery, preview: MessagePreview) -> SentTest:
    match delivery:
        case Accepted(provider_id=provider_id):
            return SentTest(message_id, provider, "accepted", provider_id, None, preview)
        case Rejected(reason=reason, detail=detail):
            return SentTest(message_id, provider, "rejected", None, f"{reason}: {detail}", preview)
        case Unavailable(reason=reason, detail=detail):
            return SentTest(message_id, provider, "unavailable", None, f"{reason}: {detail}", preview)
        case Ambiguous(detail=detail):
            return SentTest(message_id, provider, "unknown", None, detail, preview)
