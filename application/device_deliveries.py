"""Deliveries of one message to the devices of a person, each by its provider."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from msgspec import Struct

from application.catalogue import Catalogue
from application.provider_health import record_delivery
from application.providers import FoundProvider, ProviderSource
from domain.people.device_addresses import DeviceAddress
from domain.sending.delivery import Accepted, Delivery, Outbound, Rejected, Unavailable, combine
from store import circuits
from store.database import Connection, Database
from store.message_claims import Claimed

_NO_PROVIDER: Final = Rejected("no_provider", "no provider of the route serves this kind of device")
_OPEN: Final = Unavailable("circuit_open", "the circuit of its provider is open")


class DeviceProvider(Struct, frozen=True):
    """A provider of some devices of a message.

    With `is_blocked`, its circuit is open. `has_failures` and `is_probe` are those of `record_delivery`.
    """

    found: FoundProvider
    has_failures: bool
    is_probe: bool
    is_blocked: bool = False


class DeviceTarget(Struct, frozen=True):
    """A device and its provider; None if none of the route serves it."""

    device: DeviceAddress
    provider: DeviceProvider | None

    async def deliver(self, message: Outbound) -> Delivery:
        """Hand the message over to the device."""
        if self.provider is None:
            return _NO_PROVIDER
        if self.provider.is_blocked:
            return _OPEN
        return await self.provider.found.provider.deliver(replace(message, device=self.device), self.device.value)


async def find_targets(
    connection: Connection,
    catalogue: Catalogue,
    providers: ProviderSource,
    claimed: Claimed,
    granted: DeviceProvider,
    devices: Sequence[DeviceAddress],
) -> list[DeviceTarget]:
    """Return the devices of a claimed message with their providers.

    The granted provider has those that it serves; the others have the first of the route that serves them.
    """
    revision, channel = claimed.registry_revision, claimed.channel
    deployed = await catalogue.providers_at(connection, revision)
    by_kind: dict[str, DeviceProvider | None] = dict.fromkeys(granted.found.serves, granted)
    by_name = {granted.found.name: granted}
    others = {one.kind for one in devices} - by_kind.keys()
    failing = {row.provider: row for row in await circuits.load(connection)} if others else {}
    for kind in sorted(others):
        rule = deployed.find_serving(channel, claimed.category, kind, claimed.broken)
        if rule is not None and rule.name not in by_name:
            found = await providers.find(connection, revision, channel, rule.name)
            row = failing.get(rule.name)
            is_open = row is not None and row.opened_at is not None
            is_probe = is_open and await circuits.take_probe(connection, rule.name)
            if found is not None:
                by_name[rule.name] = DeviceProvider(found, row is not None, is_probe, is_open and not is_probe)
        by_kind[kind] = None if rule is None else by_name.get(rule.name)
    return [DeviceTarget(device, by_kind[device.kind]) for device in devices]


async def deliver_to_devices(
    database: Database,
    targets: Sequence[DeviceTarget],
    message: Outbound,
    settled: Mapping[str, Delivery],
    by_address: dict[str, Delivery],
) -> Delivery:
    """Hand a message over to the devices that are not settled, and fill `by_address`.

    It is sent once one device has it.
    """
    left = [target for target in targets if target.device.value not in settled]
    delivered = await asyncio.gather(*(target.deliver(message) for target in left))
    by_address |= {target.device.value: delivery for target, delivery in zip(left, delivered, strict=True)}
    by_provider: dict[str, tuple[DeviceProvider, list[Delivery]]] = {}
    for target, delivery in zip(left, delivered, strict=True):
        provider = target.provider
        if provider is not None and provider.found.has_account and not provider.is_blocked:
            by_provider.setdefault(provider.found.name, (provider, []))[1].append(delivery)
    for name, (provider, its) in by_provider.items():
        await record_delivery(
            database, name, combine(its), has_failures=provider.has_failures, was_probe=provider.is_probe
        )
    accepted = [one for one in settled.values() if isinstance(one, Accepted)]
    return combine([*accepted, *delivered] or list(settled.values()))


class DeviceOutcomes(Struct, frozen=True):
    """The devices that are gone, with reasons, and the providers by address."""

    dead: Sequence[tuple[DeviceAddress, str]] = ()
    providers: Mapping[str, str] = {}


def list_outcomes(targets: Sequence[DeviceTarget], by_address: Mapping[str, Delivery]) -> DeviceOutcomes:
    """Return what an attempt says of its devices."""
    providers = {one.device.value: one.provider.found.name for one in targets if one.provider is not None}
    return DeviceOutcomes(_list_dead(targets, by_address), providers)


def _list_dead(targets: Sequence[DeviceTarget], by_address: Mapping[str, Delivery]) -> list[tuple[DeviceAddress, str]]:
    """Return the devices that are not reached any more, with the reasons."""
    outcomes = [(target.device, by_address.get(target.device.value)) for target in targets]
    return [
        (device, outcome.reason)
        for device, outcome in outcomes
        if isinstance(outcome, Rejected) and outcome.scope == "address"
    ]
