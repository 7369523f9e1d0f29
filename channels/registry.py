"""The registry of providers. A new one is a module in its folder, and here."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from channels import console
from channels.email import smtp
from channels.provider_kind import ProviderKind
from channels.webhook import http
from domain.channels.kinds import CHANNELS
from domain.errors import InvalidRequestError
from domain.sending.delivery import Provider

PROVIDERS: tuple[ProviderKind, ...] = (
    smtp.KIND,
    http.KIND,
    console.KIND,
)


def open_provider(channel: str, written: Mapping[str, Any]) -> Provider:
    """Open the provider of a channel by its `kind`. Raises InvalidRequestError."""
    kinds = {kind.name: kind for kind in PROVIDERS if kind.serves(channel)}
    name = written.get("kind")
    if channel not in CHANNELS or name not in kinds:
        known = CHANNELS if channel not in CHANNELS else kinds
        said = f"there is no channel `{channel}`" if channel not in CHANNELS else f"{channel} has no provider `{name}`"
        raise InvalidRequestError(f"SOJOURN_PROVIDERS: {said}; there are {', '.join(known)}")
    kind = kinds[name]
    try:
        return kind.open(kind.settings(**{key: value for key, value in written.items() if key != "kind"}))
    except ValidationError as error:
        raise InvalidRequestError(f"the provider `{name}` of {channel}: {_problems(error)}") from error


def _problems(error: ValidationError) -> str:
    """Describe faults without quoting values, which may be secrets."""
    found = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in found)
