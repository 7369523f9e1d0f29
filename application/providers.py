"""The opened providers of one process, by the names that the ledger has."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from typing import Final, Protocol

from msgspec import Struct

from application.catalogue import Catalogue
from domain.deployment_documents import PROVIDERS
from domain.errors import InvalidRequestError
from domain.people.device_addresses import ADDRESS_KINDS, AddressKind
from domain.sending.delivery import ACCOUNT, Delivery, ManagedProvider, Never, Outbound, Provider, Unavailable
from domain.sending.routes import DeployedProviders, ProviderRule
from store import documents
from store.database import Connection

# A delivery that began before a provider was replaced is over by then.
CLOSE_SECONDS: Final = 120.0
# Someone must add a secret, and restart the workers.
UNUSABLE_SECONDS: Final = 300.0


class FoundProvider(Struct, frozen=True):
    """An opened provider, and its name in the ledger.

    One that is not `is_in_force` was removed: it repeats what it may have, and gets no other messages. The circuit of
    one without an account never opens. It `serves` addresses of devices of these kinds.
    """

    name: str
    provider: Provider
    is_in_force: bool = True
    has_account: bool = False
    serves: frozenset[AddressKind] = frozenset(ADDRESS_KINDS)


class ProviderSource(Protocol):
    """The providers of messages."""

    async def find(self, connection: Connection, revision: int, channel: str, name: str | None) -> FoundProvider | None:
        """Return the provider of a message; None if this build cannot open it.

        `name` is the one that the ledger has. Messages of earlier releases have none: the first of the channel.
        """
        ...


class Providers:
    """Opens providers on first use, and again when their settings change.

    With `leaves_unusable`, one that this process cannot open is not found: another process has its messages.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        open_provider: Callable[[ProviderRule], ManagedProvider],
        *,
        leaves_unusable: bool = False,
    ) -> None:
        self._catalogue = catalogue
        self._open = open_provider
        self._leaves_unusable = leaves_unusable
        self._opened: dict[tuple[str, str], tuple[ProviderRule, ManagedProvider]] = {}
        self._removed: tuple[int, dict[tuple[str, str], ProviderRule | None]] = (-1, {})
        self._closing: set[asyncio.Task[None]] = set()

    async def find(self, connection: Connection, revision: int, channel: str, name: str | None) -> FoundProvider | None:
        """Return the provider of a message, as `ProviderSource` says."""
        found = await self._find(connection, revision, channel, name)
        is_left = self._leaves_unusable and found is not None and isinstance(found.provider, UnusableProvider)
        return None if is_left else found

    async def _find(
        self, connection: Connection, revision: int, channel: str, name: str | None
    ) -> FoundProvider | None:
        deployed = await self._catalogue.providers_at(connection, revision)
        first = next(iter(deployed.find_providers(channel)), None)
        rule = first if name is None else deployed.find(channel, name)
        if rule is not None:
            return self._open_found(rule, is_in_force=True)
        if name is None or (removed := await self._find_removed(connection, deployed, revision, channel, name)) is None:
            return None
        return self._open_found(removed, is_in_force=False)

    def _open_found(self, rule: ProviderRule, *, is_in_force: bool) -> FoundProvider:
        return FoundProvider(
            rule.name,
            self.open(rule),
            is_in_force=is_in_force,
            has_account=rule.has_account,
            serves=rule.served_kinds,
        )

    def open(self, rule: ProviderRule) -> ManagedProvider:
        """Return the opened provider of a rule."""
        key = rule.channel, rule.name
        known = self._opened.get(key)
        if known is not None and known[0] == rule:
            return known[1]
        try:
            opened = self._open(rule)
        except InvalidRequestError as error:
            opened = UnusableProvider(rule.kind, error.detail)
        self._opened[key] = rule, opened
        if known is not None:
            closing = asyncio.create_task(_close_later(known[1]), context=Context())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        return opened

    async def close(self) -> None:
        """Close all connections."""
        for task in self._closing:
            task.cancel()
        for _, provider in self._opened.values():
            await provider.close()

    async def _find_removed(
        self, connection: Connection, deployed: DeployedProviders, revision: int, channel: str, name: str
    ) -> ProviderRule | None:
        """Return a provider as the document last had it."""
        if self._removed[0] != revision:
            self._removed = revision, {}
        known = self._removed[1]
        if (channel, name) not in known:
            default = deployed.find_default(channel)
            if default is not None and default.name == name:
                known[channel, name] = default
            else:
                last = await documents.last_rule(connection, PROVIDERS, name)
                known[channel, name] = last if isinstance(last, ProviderRule) else None
        return known[channel, name]


class UnusableProvider:
    """A provider that this process cannot open: its messages wait."""

    repeats = Never()

    def __init__(self, kind: str, detail: str) -> None:
        self.name = kind
        self._detail = detail

    def account(self, message: Outbound) -> str:
        return "none"

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Hand nothing over."""
        return Unavailable(ACCOUNT, self._detail, UNUSABLE_SECONDS)

    async def check(self) -> Unavailable | None:
        """Return why it cannot be opened."""
        return Unavailable(ACCOUNT, self._detail)

    async def close(self) -> None:
        """There is nothing to close."""


async def _close_later(provider: ManagedProvider) -> None:
    try:
        await asyncio.sleep(CLOSE_SECONDS)
    finally:
        await provider.close()
