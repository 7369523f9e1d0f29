"""The settings of the inbox, which has none."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import ProviderModel


class InAppModel(ProviderModel):
    """The inbox of this deployment. It is always there, and no document names it."""

    name: ClassVar[str] = "in_app"
    channels: ClassVar[frozenset[str]] = frozenset({"in_app"})
    has_account: ClassVar[bool] = False

    kind: Literal["in_app"] = Field(description="`in_app`")
