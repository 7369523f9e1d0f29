"""The settings of an account at SendGrid."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.secret_reference import SecretReference


class SendGridModel(EmailModel):
    """An account at SendGrid."""

    name: ClassVar[str] = "sendgrid"
    usual_selectors: ClassVar[tuple[str, ...]] = ("s1", "s2")

    kind: Literal["sendgrid"] = Field(description="`sendgrid`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_SENDGRID}`")
    region: Literal["global", "eu"] = Field("global", description="where the account is: `global` or `eu`")
