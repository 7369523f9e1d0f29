"""The settings of the inbox of `sojourn dev`."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel


class ConsoleModel(ProviderModel):
    """The inbox of `sojourn dev`, which shows messages of any channel."""

    name: ClassVar[str] = "console"

    kind: Literal["console"] = Field(description="`console`")
