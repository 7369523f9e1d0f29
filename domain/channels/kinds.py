"""The registry of channels. A new channel is a module beside this one and a line."""

from collections.abc import Mapping
from itertools import chain
from typing import Any, Final

from domain.channels.call import CallTask
from domain.channels.chat import Chat
from domain.channels.email import Email
from domain.channels.in_app.channel import InApp
from domain.channels.kind import ChannelKind
from domain.channels.post import Post
from domain.channels.push import Push
from domain.channels.slack import Slack
from domain.channels.sms import Sms
from domain.channels.webhook import Webhook
from domain.channels.whatsapp import WhatsApp

_KINDS: tuple[ChannelKind, ...] = (
    Email(),
    Sms(),
    WhatsApp(),
    Push(),
    Webhook(),
    Post(),
    Slack(),
    Chat(),
    CallTask(),
    InApp(),
)
CHANNELS: Final[Mapping[str, ChannelKind]] = {kind.name: kind for kind in _KINDS}
# The traits that are addresses.
ADDRESS_TRAITS: Final = frozenset(chain.from_iterable(kind.address_traits for kind in _KINDS))


# The traits that hold an address.
_ADDRESS_TRAITS: Final = frozenset(path.rpartition(".")[2] for kind in _KINDS for path in kind.known_paths)


def normalize_address(text: str) -> dict[str, str]:
    """Return an address as each channel keeps it, for the channels that can."""
    return normalized_addresses(dict.fromkeys(_ADDRESS_TRAITS, text))


def normalized_addresses(traits: Mapping[str, Any]) -> dict[str, str]:
    """Return a person's normalised addresses by channel."""
    found = {name: kind.normalized_address(traits) for name, kind in CHANNELS.items()}
    return {name: address for name, address in found.items() if address is not None}
