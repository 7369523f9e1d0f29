"""The settings of a number at the WhatsApp Cloud API."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from domain.campaign.schema import Given, refuse
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.providers.text_model import TextModel


class WhatsAppModel(TextModel):
    """A number at the WhatsApp Cloud API."""

    name: ClassVar[str] = "whatsapp"
    channels: ClassVar[frozenset[str] | None] = frozenset({"whatsapp"})

    kind: Literal["whatsapp"] = Field(description="`whatsapp`")
    number: Annotated[str, Field(pattern=r"^[0-9]{5,20}$")] = Field(
        description='the id of the number that sends, which is not the number itself: `"106540352242922"`'
    )
    token: SecretReference = Field(description="the access token of a system user: `{env: SOJOURN_SECRET_WHATSAPP}`")
    marketing_messages: bool = Field(
        False, description="`true` to send marketing by templates as marketing messages, by the endpoint of these"
    )
    callback_secret: Annotated[SecretReference | None, Given] = Field(
        None, description="the secret of the app, which signs callbacks: `{env: SOJOURN_SECRET_WHATSAPP_APP}`"
    )
    verify_token: Annotated[SecretReference | None, Given] = Field(
        None,
        description="a secret of your own, by which the app verifies the address of callbacks: "
        "`{env: SOJOURN_SECRET_WHATSAPP_VERIFY}`",
    )

    @model_validator(mode="after")
    def _has_both_secrets(self) -> Self:
        if (self.callback_secret is None) != (self.verify_token is None):
            refuse("callbacks need both `callback_secret` and `verify_token`", "Write the other, or leave both out")
        return self
