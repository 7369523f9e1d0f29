"""The settings of a workspace of Intercom."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference

HOSTS: Final = {"us": "api.intercom.io", "eu": "api.eu.intercom.io", "au": "api.au.intercom.io"}


class IntercomModel(ProviderModel):
    """A workspace of Intercom."""

    name: ClassVar[str] = "intercom"
    channels: ClassVar[frozenset[str] | None] = frozenset({"chat"})

    kind: Literal["intercom"] = Field(description="`intercom`")
    token: SecretReference = Field(description="the app's access token: `{env: SOJOURN_SECRET_INTERCOM}`")
    admin: Annotated[str, Field(pattern=r"^[0-9]{1,20}$")] = Field(
        description="the id of the teammate who sends the messages"
    )
    region: Literal["us", "eu", "au"] = Field("us", description="where the workspace is: `us`, `eu` or `au`")
