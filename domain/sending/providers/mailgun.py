"""The settings of an account at Mailgun."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import Domain, ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class MailgunModel(ProviderModel):
    """An account at Mailgun."""

    name: ClassVar[str] = "mailgun"
    channels: ClassVar[frozenset[str]] = frozenset({"email"})

    kind: Literal["mailgun"] = Field(description="`mailgun`")
    domain: Domain = Field(description="the sending domain")
    token: SecretReference = Field(description="the API key, or the domain's: `{env: SOJOURN_SECRET_MAILGUN}`")
    region: Literal["us", "eu"] = Field("us", description="where the domain is: `us` or `eu`")
