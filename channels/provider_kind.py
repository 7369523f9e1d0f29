"""The socket of a provider: its settings, and how it is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from domain.sending.delivery import Provider


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """A kind of provider for `channels`, None for any; `open` takes its `settings`."""

    name: str
    channels: frozenset[str] | None
    settings: type[BaseModel]
    open: Callable[[Any], Provider]

    def serves(self, channel: str) -> bool:
        """Return whether it may be the provider of a channel."""
        return self.channels is None or channel in self.channels
