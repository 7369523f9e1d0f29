"""The settings of an account at Resend."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class ResendModel(ProviderModel):
    """An account at Resend."""

    name: ClassVar[str] = "resend"
    channels: ClassVar[frozenset[str]] = frozenset({"email"})

    kind: Literal["resend"] = Field(description="`resend`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_RESEND}`")
