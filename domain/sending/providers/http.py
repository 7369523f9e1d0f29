"""The settings of webhooks by HTTP."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel


class HttpModel(ProviderModel):
    """Webhooks by HTTP, signed with the secrets of the deployment."""

    name: ClassVar[str] = "http"
    channels: ClassVar[frozenset[str]] = frozenset({"webhook"})
    # Each template names a receiver.
    has_account: ClassVar[bool] = False

    kind: Literal["http"] = Field(description="`http`")
