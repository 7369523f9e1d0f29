"""The settings of web push."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.people.device_addresses import AddressKind
from domain.sending.providers.model import Domain, ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class WebPushModel(ProviderModel):
    """The push services of browsers, by a key of one's own."""

    name: ClassVar[str] = "web_push"
    channels: ClassVar[frozenset[str]] = frozenset({"push"})
    serves: ClassVar[frozenset[AddressKind]] = frozenset({"endpoint"})

    kind: Literal["web_push"] = Field(description="`web_push`")
    private_key: SecretReference = Field(
        description="the private VAPID key in base64: `{env: SOJOURN_SECRET_VAPID}`; pages know its public key"
    )
    subject: Annotated[str, Field(max_length=200, pattern=r"^(mailto:[^@\s]+@[^@\s]+|https://\S+)$")] = Field(
        description="the contact of the sender, for push services: `mailto:push@example.com`"
    )
    services: Annotated[list[Domain], Field(max_length=20)] = Field(
        [], description="hosts of push services besides those of Chrome, Firefox, Safari and Edge"
    )
