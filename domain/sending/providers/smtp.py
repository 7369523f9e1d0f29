"""The settings of an SMTP server."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from domain.campaign.schema import DocumentModel, Given, Text, refuse
from domain.deployment.secrets import is_loopback
from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.model import Domain
from domain.sending.providers.secret_reference import SecretReference

Security = Literal["none", "starttls", "tls"]
HOST = r"^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:.]+\]?$"
Host = Annotated[str, Field(min_length=1, max_length=253, pattern=HOST)]


class DkimModel(DocumentModel):
    """The signature of the mails (RFC 6376)."""

    domain: Domain = Field(description="the domain that signs: that of the senders, or one above it")
    selector: Domain = Field(description="the name of the key: its DNS record is `{selector}._domainkey.{domain}`")
    key: SecretReference = Field(description="the private RSA key in PEM: `{file: /run/secrets/dkim.pem}`")


class SmtpModel(EmailModel):
    """An SMTP server that takes e-mails."""

    name: ClassVar[str] = "smtp"

    kind: Literal["smtp"] = Field(description="`smtp`")
    host: Host = Field(description="its name or address")
    port: Annotated[int, Field(ge=1, le=65_535)] = Field(587, description="its port")
    username: Annotated[Text | None, Given] = Field(None, description="the user name, where the server asks for one")
    password: Annotated[SecretReference | None, Given] = Field(
        None, description="the password, where the server asks for one; the secret is bound to the host"
    )
    security: Security = Field(
        "starttls", description="`tls` from the first byte, `starttls`, which is never skipped, or `none`"
    )
    return_domain: Annotated[Domain | None, Given] = Field(
        None,
        description="the domain whose bounces come to Sojourn: mails are from an address there, one for each; left "
        "out, they come to the sender",
    )
    dkim: Annotated[DkimModel | None, Given] = Field(
        None, description="how mails are signed; left out, the server signs them"
    )

    def dkim_keys(self) -> tuple[tuple[str, str], ...]:
        """Return the key of its own signature."""
        return () if self.dkim is None else ((self.dkim.domain.lower(), self.dkim.selector),)

    def find_return_domain(self) -> str | None:
        """Return the domain of bounces."""
        return None if self.return_domain is None else self.return_domain.lower()

    @model_validator(mode="after")
    def _password_is_hidden(self) -> Self:
        if self.security == "none" and self.password is not None and not is_loopback(self.host):
            refuse("`security: none` would send the password in the clear", "Write `starttls` or `tls`")
        return self
