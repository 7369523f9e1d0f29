"""One provider for each channel, in the place of those of the document."""

from collections.abc import Mapping

from application.link_tracking import LinkTracker
from application.providers import FoundProvider
from domain.sending.delivery import Provider
from store.database import Connection, Database


class FixedProviders:
    """The provider of a channel, under the name that the ledger has."""

    def __init__(self, by_channel: Mapping[str, Provider]) -> None:
        self._by_channel = by_channel

    async def find(self, connection: Connection, revision: int, channel: str, name: str | None) -> FoundProvider:
        provider = self._by_channel[channel]
        return FoundProvider(name or provider.name, provider)


def link_tracker(database: Database) -> LinkTracker:
    """The rewriting of links, for campaigns that track none."""
    return LinkTracker(database, ["secret-of-the-links-of-a-test-1234"], "https://example.com", "https://example.com/")
