"""The settings of an application at Vonage."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.sending.providers.secret_reference import SecretReference
from domain.sending.providers.text_model import Originator, TextModel

_HEX = "[0-9a-f]"


class VonageModel(TextModel):
    """An application at Vonage, with its Messages API."""

    name: ClassVar[str] = "vonage"

    kind: Literal["vonage"] = Field(description="`vonage`")
    application: Annotated[str, Field(pattern=f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$")] = Field(
        description="the id of the application"
    )
    key: SecretReference = Field(description="its private RSA key in PEM: `{file: /run/secrets/vonage.pem}`")
    from_: Originator = Field(alias="from", description='the number that sends: `"+447700900000"`')
