"""The settings of an account at SendGrid."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class SendGridModel(ProviderModel):
    """An account at SendGrid."""

    name: ClassVar[str] = "sendgrid"
    channels: ClassVar[frozenset[str]] = frozenset({"email"})

    kind: Literal["sendgrid"] = Field(description="`sendgrid`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_SENDGRID}`")
    region: Literal["global", "eu"] = Field("global", description="where the account is: `global` or `eu`")
