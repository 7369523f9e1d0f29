"""The socket of an ad platform: its settings, and how it is opened."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.ad_audiences.uploads import AdPlatform
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.providers.ad_account import AdAccountModel


@dataclass(frozen=True, slots=True)
class AdPlatformKind:
    """A kind of ad platform.

    `model` are its settings in the document of providers. `open` opens it without a connection, and raises
    SecretRefusal for a secret that is missing or may not go to its host.
    """

    model: type[AdAccountModel]
    open: Callable[[Any, ProviderSecrets], AdPlatform]
