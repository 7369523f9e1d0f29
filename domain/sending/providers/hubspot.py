"""The settings of a private app of HubSpot."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference


class HubspotModel(ProviderModel):
    """A private app of HubSpot, which makes tasks."""

    name: ClassVar[str] = "hubspot"
    channels: ClassVar[frozenset[str] | None] = frozenset({"call"})

    kind: Literal["hubspot"] = Field(description="`hubspot`")
    token: SecretReference = Field(
        description="the access token of a private app that may read owners and write tasks: "
        "`{env: SOJOURN_SECRET_HUBSPOT}`"
    )
