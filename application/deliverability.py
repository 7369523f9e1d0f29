"""Pause and resume the marketing of providers, and show their numbers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from msgspec import Struct

from application.catalogue import Catalogue
from application.trait_sweeper import SweepResult
from domain.access import Actor
from domain.deployment_documents import PROVIDERS
from domain.errors import NotFoundError
from domain.sending.deliverability import RateExcess, find_excess
from domain.sending.routes import DeployedProviders
from domain.suggestions import did_you_mean
from store import audit, campaigns, delivery_counts, documents, operations, provider_pauses
from store.database import Connection, Database
from store.delivery_counts import DomainCounts
from store.provider_pauses import PauseRow

log = structlog.get_logger()


async def pause_if_due(database: Database, providers: Collection[str] | None) -> None:
    """Pause the marketing of those providers whose committed numbers exceed a limit.

    None are all. Once this returns, no decision under way has missed the pause: it is placed under the exclusive lock
    of the registry, which each decision shares. The last of several callers at once sees the numbers of all.
    """
    async with database.transaction() as connection:
        due = await _find_due(connection, providers)
    if not due:
        return
    async with database.transaction() as connection:
        await campaigns.lock_registry_exclusive(connection)
        # Under the lock, so that no number from before a resumption counts.
        placed = [
            await provider_pauses.place(connection, provider, excess)
            for provider, excess in (await _find_due(connection, due)).items()
        ]
    for pause in placed:
        if pause is not None:
            log.warning(
                "provider marketing paused",
                provider=pause.provider,
                cause=pause.cause,
                number=pause.number,
                messages=pause.messages,
                limit=pause.limit,
            )


async def _find_due(connection: Connection, providers: Collection[str] | None) -> dict[str, RateExcess]:
    counts = await delivery_counts.sum_windows(connection, providers)
    deployed = DeployedProviders((await documents.latest(connection, PROVIDERS)).rules)
    found = {
        provider: [find_excess(window, deployed.pause_limits(provider)) for window in windows]
        for provider, windows in counts.items()
    }
    first = {provider: next(filter(None, each), None) for provider, each in found.items()}
    return {provider: excess for provider, excess in first.items() if excess is not None}


@dataclass(slots=True)
class DeliverySweeper:
    """Adds up numbers of messages, and pauses what deliveries alone make due.

    Reports of complaints and bounces pause in their own request. One worker at a time adds up.
    """

    database: Database
    # Providers whose numbers have changed since they were judged. At the start all: the process before may have died.
    unjudged: set[str] | None = None
    name: str = "deliveries"

    async def sweep(self) -> SweepResult:
        """Add up one page."""
        async with self.database.transaction() as connection:
            added = await delivery_counts.add_up(connection)
        if self.unjudged is not None:
            self.unjudged.update(added.providers)
        if self.unjudged != set():
            await pause_if_due(self.database, self.unjudged)
        self.unjudged = set()
        return SweepResult(len(added.providers), 0.0, 0.0 if added.is_full else None)


class DeliverabilityView(Struct, frozen=True):
    """The numbers by provider and recipient domain since an instant, and the pauses."""

    since: datetime
    rows: list[DomainCounts]
    pauses: list[PauseRow]


class Deliverability:
    """Shows the numbers of messages, and resumes paused marketing."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def read(self, days: int) -> DeliverabilityView:
        """Return the numbers of the last days, and the latest pause of each provider."""
        async with self._database.transaction() as connection:
            since = connection.clock.now() - timedelta(days=days)
            rows = await delivery_counts.sum_by_domain(connection, since)
            return DeliverabilityView(since, rows, await provider_pauses.latest(connection))

    async def resume(self, provider: str, *, by: Actor) -> PauseRow | None:
        """Resume a provider's marketing; its messages go on, and its numbers begin anew.

        Return its latest pause, None if it never had one. Raises NotFoundError for an unknown provider.
        """
        async with self._database.transaction() as connection:
            # Waits for the decisions that the pause holds, so that all of them are woken.
            await campaigns.lock_registry_exclusive(connection)
            ended = await provider_pauses.end(connection, provider, by.name)
            if ended is not None:
                await operations.insert_for_deployment(
                    connection, "release", {"pause": str(ended.id)}, requested_by=by.name
                )
                await audit.record(connection, by, "deliverability.resume", provider, {"pause": str(ended.id)})
                return ended
            latest = {pause.provider: pause for pause in await provider_pauses.latest(connection)}
            deployed = await self._catalogue.load_providers(connection)
        known = {rule.name for channel in deployed.channels for rule in deployed.find_providers(channel)}
        if provider not in known | latest.keys():
            said = f"there is no provider {provider}. {did_you_mean(provider, sorted(known), 'In force')}"
            raise NotFoundError(said, provider=provider)
        return latest.get(provider)
