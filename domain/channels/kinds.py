"""The registry of channels. A new channel is a module beside this one and a line."""

from collections.abc import Mapping
from typing import Any, Final

from domain.channels.email import Email
from domain.channels.kind import ChannelKind
from domain.channels.webhook import Webhook

_KINDS: tuple[ChannelKind, ...] = (
    Email(),
    Webhook(),
)
CHANNELS: Final[Mapping[str, ChannelKind]] = {kind.name: kind for kind in _KINDS}


def normalized_addresses(traits: Mapping[str, Any]) -> dict[str, str]:
    """Return a person's normalised addresses by channel."""
    found = {name: kind.normalized_address(traits) for name, kind in CHANNELS.items()}
    return {name: address for name, address in found.items() if address is not None}
