"""The fields for the links of a campaign's mails: tracking and UTM parameters."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.campaign.schema import DocumentModel, Given, Listed, Slug, Text, refuse
from domain.sending.tracking.links import UTM_NAMES

HOST_NAME = r"^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$"
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=HOST_NAME)]


class TrackModel(DocumentModel):
    """Which reactions to the campaign's messages are tracked by Sojourn itself."""

    clicks: bool = Field(False, description="whether links lead by Sojourn, which notes who follows them")
    opens: bool = Field(False, description="whether mails hold an image that tells that they were opened")
    categories: Annotated[Annotated[tuple[Slug, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="the categories whose messages are tracked; left out, all but `transactional`"
    )

    @model_validator(mode="after")
    def _tracks(self) -> Self:
        if not self.clicks and not self.opens:
            refuse("nothing is tracked", "Write `clicks: true` or `opens: true`, or leave `track` out")
        return self


class UtmModel(DocumentModel):
    """UTM parameters that links get, unless they have them."""

    source: Annotated[Text | None, Given] = Field(None, description="`utm_source`: `newsletter`")
    medium: Annotated[Text | None, Given] = Field(None, description="`utm_medium`: `email`")
    campaign: Annotated[Text | None, Given] = Field(None, description="`utm_campaign`; left out, the campaign's key")
    term: Annotated[Text | None, Given] = Field(None, description="`utm_term`")
    content: Annotated[Text | None, Given] = Field(None, description="`utm_content`; left out, the step's id")
    hosts: Annotated[Annotated[tuple[HostName, ...], Listed, Field(min_length=1)] | None, Given] = Field(
        None, description="the hosts whose links get them, with their subdomains; left out, all"
    )

    def values(self) -> dict[str, str]:
        """Return the parameters as written, by their names without `utm_`."""
        written = {name: getattr(self, name) for name in UTM_NAMES}
        return {name: value for name, value in written.items() if value is not None}
