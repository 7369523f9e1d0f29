"""The settings of an account at Resend."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.secret_reference import SecretReference


class ResendModel(EmailModel):
    """An account at Resend."""

    name: ClassVar[str] = "resend"
    usual_selectors: ClassVar[tuple[str, ...]] = ("resend",)

    kind: Literal["resend"] = Field(description="`resend`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_RESEND}`")
