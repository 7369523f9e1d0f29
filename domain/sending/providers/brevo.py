"""The settings of an account at Brevo."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class BrevoModel(ProviderModel):
    """An account at Brevo."""

    name: ClassVar[str] = "brevo"
    channels: ClassVar[frozenset[str]] = frozenset({"email"})

    kind: Literal["brevo"] = Field(description="`brevo`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_BREVO}`")
