"""The settings of a team at Apple's push service."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.people.device_addresses import AddressKind
from domain.sending.providers.model import Domain, ProviderModel
from domain.sending.providers.secret_reference import SecretReference

AppleId = Annotated[str, Field(pattern=r"^[A-Z0-9]{10}$")]


class ApnsModel(ProviderModel):
    """A team at Apple's push service, by a key that signs."""

    name: ClassVar[str] = "apns"
    channels: ClassVar[frozenset[str]] = frozenset({"push"})
    serves: ClassVar[frozenset[AddressKind]] = frozenset({"apns"})

    kind: Literal["apns"] = Field(description="`apns`")
    team: AppleId = Field(description="the id of the team, ten characters")
    key_id: AppleId = Field(description="the id of the key, ten characters")
    key: SecretReference = Field(description="the key itself, a file `.p8`: `{file: /run/secrets/apns.p8}`")
    topics: Annotated[list[Domain], Field(min_length=1, max_length=50)] = Field(
        description="the bundles of the apps: `[com.example.shop]`; the first is that of devices that name none"
    )
