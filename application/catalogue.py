"""Published versions and listening campaigns, cached in step with transactions."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from application.rendering import Templates
from domain.campaign.plan import Plan
from domain.campaign.rules import Rules
from domain.deployment_documents import PAGE_TRIGGERS, PLACES, PROVIDERS, SENDERS, TOPICS
from domain.errors import NotFoundError
from domain.journey.listeners import CampaignVersion, Listeners
from domain.people.account_view import may_read_account
from domain.people.computed.deployed import DeployedTraits
from domain.people.places.deployed import DeployedPlaces
from domain.people.segments.deployed import DeployedSegments
from domain.people.topics.deployed import DeployedTopics
from domain.sending.routes import DEFAULT_PROVIDERS, DeployedProviders, ProviderRule
from domain.sending.senders import DeployedSenders
from domain.tracking.event import Trigger
from domain.tracking.page_triggers import PageTrigger, select_heard
from store import campaigns, computed_traits, documents, segments
from store.database import Connection

VERSIONS_KEPT = 500


class LoadedVersion(Struct, frozen=True):
    """A published version. It never changes, so it is cached.

    `reads_account` is False if none of its expressions reads the account.
    """

    key: str
    version: int
    name: str
    plan: Plan
    rules: Rules
    templates: Templates
    reads_account: bool


class Catalogue:
    """One for each process.

    `timezone` is the deployment's: campaigns without a zone have this one. `default_providers` are those of channels
    that the document of providers leaves out.
    """

    def __init__(
        self, timezone: str | None = None, default_providers: Mapping[str, ProviderRule] = DEFAULT_PROVIDERS
    ) -> None:
        self._timezone = timezone
        self._default_providers = default_providers
        self._versions: OrderedDict[tuple[str, int], LoadedVersion] = OrderedDict()
        self._listeners: Listeners | None = None
        self._revision = -1
        self._computed: tuple[int, DeployedTraits] | None = None
        self._segments: tuple[int, DeployedSegments] | None = None
        self._providers: tuple[int, DeployedProviders] | None = None
        self._senders: tuple[int, DeployedSenders] | None = None
        self._page_triggers: tuple[int, Sequence[PageTrigger]] | None = None

    async def listeners(self, connection: Connection) -> Listeners:
        """Return the campaigns that listen, as this transaction holds them.

        An older version keeps listening here until the registry next changes, though its last journey may have ended:
        it then finds no journey.
        """
        return await self.listeners_at(connection, await campaigns.lock_registry_shared(connection))

    async def listeners_at(self, connection: Connection, revision: int) -> Listeners:
        """Return the campaigns that listen, of a revision that this transaction holds."""
        if self._listeners is None or revision != self._revision:
            known = [
                (CampaignVersion(version.campaign_key, version.version, self._with_zone(version.rules)), version)
                for version in await campaigns.listening_versions(connection)
            ]
            self._listeners = Listeners(
                running=[version for version, stored in known if stored.lets_in],
                in_use=[version for version, stored in known if stored.has_journeys],
                past=[version for version, stored in known if not stored.lets_in and not stored.has_journeys],
            )
            self._revision = revision
        return self._listeners

    async def computed_at(self, connection: Connection, revision: int) -> DeployedTraits:
        """Return the computed traits, of a revision that this transaction holds."""
        if self._computed is None or revision != self._computed[0]:
            self._computed = revision, await computed_traits.load_deployed(connection)
        return self._computed[1]

    async def segments_at(self, connection: Connection, revision: int) -> DeployedSegments:
        """Return the segments, of a revision that this transaction holds."""
        if self._segments is None or revision != self._segments[0]:
            traits = await self.computed_at(connection, revision)
            self._segments = revision, await load_segments(connection, traits, self._timezone)
        return self._segments[1]

    async def providers_at(self, connection: Connection, revision: int) -> DeployedProviders:
        """Return the providers and routes, of a revision that this transaction holds."""
        if self._providers is None or revision != self._providers[0]:
            rules = (await documents.latest(connection, PROVIDERS)).rules
            self._providers = revision, DeployedProviders(rules, self._default_providers)
        return self._providers[1]

    async def senders_at(self, connection: Connection, revision: int) -> DeployedSenders:
        """Return the senders, of a revision that this transaction holds."""
        if self._senders is None or revision != self._senders[0]:
            self._senders = revision, DeployedSenders((await documents.latest(connection, SENDERS)).rules)
        return self._senders[1]

    async def page_triggers_at(self, connection: Connection, revision: int) -> Sequence[PageTrigger]:
        """Return the named page triggers, of a revision that this transaction holds."""
        if self._page_triggers is None or revision != self._page_triggers[0]:
            listeners = await self.listeners_at(connection, revision)
            traits = await self.computed_at(connection, revision)

            def is_named(trigger: Trigger) -> bool:
                return listeners.names(trigger) or traits.following.names(trigger)

            rules = (await documents.latest(connection, PAGE_TRIGGERS)).rules
            self._page_triggers = revision, select_heard(rules, is_named)
        return self._page_triggers[1]

    async def load_providers(self, connection: Connection) -> DeployedProviders:
        """Return the providers and routes, as this transaction holds them."""
        return await self.providers_at(connection, await campaigns.lock_registry_shared(connection))

    async def load_segments(self, connection: Connection) -> DeployedSegments:
        """Return the segments, as this transaction holds them."""
        return await self.segments_at(connection, await campaigns.lock_registry_shared(connection))

    async def load_computed(self, connection: Connection) -> DeployedTraits:
        """Return the computed traits, as this transaction holds them."""
        return await self.computed_at(connection, await campaigns.lock_registry_shared(connection))

    async def version(self, connection: Connection, key: str, number: int) -> LoadedVersion:
        """Return a published version. Raises NotFoundError."""
        if (known := self._find_loaded(key, number)) is not None:
            return known
        stored = await campaigns.version(connection, key, number)
        if stored is None:
            raise NotFoundError(f"campaign {key} has no version {number}", campaign=key, version=number)
        # Another task may have loaded it meanwhile.
        if (known := self._find_loaded(key, number)) is not None:
            return known
        reads_account = may_read_account(msgspec.json.encode(stored.rules).decode())
        rules, templates = self._with_zone(stored.rules), Templates(stored.templates, stored.compiled_bodies)
        version = LoadedVersion(key, number, stored.name, stored.plan, rules, templates, reads_account)
        self._versions[key, number] = version
        if len(self._versions) > VERSIONS_KEPT:
            self._versions.popitem(last=False)
        return version

    def _with_zone(self, rules: Rules) -> Rules:
        return rules if rules.timezone is not None else replace(rules, timezone=self._timezone)

    def _find_loaded(self, key: str, number: int) -> LoadedVersion | None:
        known = self._versions.get((key, number))
        if known is not None:
            self._versions.move_to_end((key, number))
        return known


async def load_segments(connection: Connection, traits: DeployedTraits, timezone: str | None) -> DeployedSegments:
    """Return the segments in force, uncached. `timezone` is the deployment's."""
    stored = await segments.load(connection)
    ready = {one.definition.id for one in stored if one.ready_at is not None}
    places = DeployedPlaces((await documents.latest(connection, PLACES)).rules)
    topics = DeployedTopics((await documents.latest(connection, TOPICS)).rules)
    return DeployedSegments((one.definition for one in stored), ready, traits, timezone, places, topics)
