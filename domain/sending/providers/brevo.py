"""The settings of an account at Brevo."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.secret_reference import SecretReference


class BrevoModel(EmailModel):
    """An account at Brevo."""

    name: ClassVar[str] = "brevo"
    usual_selectors: ClassVar[tuple[str, ...]] = ("mail", "brevo1", "brevo2")

    kind: Literal["brevo"] = Field(description="`brevo`")
    token: SecretReference = Field(description="the API key: `{env: SOJOURN_SECRET_BREVO}`")
