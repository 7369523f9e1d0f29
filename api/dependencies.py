"""What the routes share: the services, and the types of the names in their paths and bodies."""

from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from wiring import Services


def services_of(request: Request) -> Services:
    """What the application was opened with."""
    services: Services = request.app.state.services
    return services


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but one."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    return text


Using = Annotated[Services, Depends(services_of)]

Text = Annotated[str, AfterValidator(_storable)]
CampaignKey = Annotated[Text, Path(min_length=1, max_length=255, examples=["abandoned-cart"])]
UserId = Annotated[
    Text,
    Path(
        min_length=1,
        max_length=255,
        description="As the client reports it, percent-encoded: `a/b` is `a%2Fb`. A plain slash is taken as well.",
        examples=["u-4711"],
    ),
]
ChannelName = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["email"])]
FileName = Annotated[Text, Field(min_length=1, max_length=1024, description="named in the problems found in it")]


class RequestModel(BaseModel):
    """A body that means what it says: no conversions between types, no members that nobody reads."""

    model_config = ConfigDict(strict=True, extra="forbid")


class ResponseModel(BaseModel):
    """An answer, filled from what a use case returns."""

    model_config = ConfigDict(from_attributes=True)
