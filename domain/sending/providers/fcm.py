"""The settings of a project of Firebase."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.people.device_addresses import AddressKind
from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class FcmModel(ProviderModel):
    """A project of Firebase Cloud Messaging, for Android, iOS and pages with its SDK."""

    name: ClassVar[str] = "fcm"
    channels: ClassVar[frozenset[str]] = frozenset({"push"})
    serves: ClassVar[frozenset[AddressKind]] = frozenset({"token", "fid"})

    kind: Literal["fcm"] = Field(description="`fcm`")
    service_account: SecretReference = Field(
        description="the JSON of a service account that may send: `{file: /run/secrets/firebase.json}`"
    )
