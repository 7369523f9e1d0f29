"""The settings of an account at Mailgun."""

from typing import ClassVar, Literal

from msgspec.structs import replace
from pydantic import Field

from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.model import Domain
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.sender_records import DkimSelectors


class MailgunModel(EmailModel):
    """An account at Mailgun."""

    name: ClassVar[str] = "mailgun"
    usual_selectors: ClassVar[tuple[str, ...]] = ("mx", "k1", "pic")

    kind: Literal["mailgun"] = Field(description="`mailgun`")
    domain: Domain = Field(description="the sending domain")
    token: SecretReference = Field(description="the API key, or the domain's: `{env: SOJOURN_SECRET_MAILGUN}`")
    region: Literal["us", "eu"] = Field("us", description="where the domain is: `us` or `eu`")

    def dkim_signer(self) -> DkimSelectors | None:
        """Return its selectors, which are of the sending domain."""
        signer = super().dkim_signer()
        return None if signer is None else replace(signer, domain=self.domain.lower())
