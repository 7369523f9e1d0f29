"""The settings of an account at Postmark."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.sending.providers.email_model import EmailModel
from domain.sending.providers.secret_reference import SecretReference


class PostmarkModel(EmailModel):
    """An account at Postmark."""

    name: ClassVar[str] = "postmark"

    kind: Literal["postmark"] = Field(description="`postmark`")
    token: SecretReference = Field(description="the server's API token: `{env: SOJOURN_SECRET_POSTMARK}`")
    stream: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,30}$")] = Field(
        "outbound", description="the message stream; marketing needs a broadcast stream: a provider of its own"
    )
