"""The settings of an account at Lob."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from domain.campaign.schema import Given
from domain.campaign.time_fields import Duration
from domain.sending.providers.model import ProviderModel
from domain.sending.providers.secret_reference import SecretReference

# Lob schedules pieces no further ahead.
MAX_WAIT: Final = 180 * 86_400


class LobModel(ProviderModel):
    """An account at Lob, which prints and mails."""

    name: ClassVar[str] = "lob"
    channels: ClassVar[frozenset[str] | None] = frozenset({"post"})

    kind: Literal["lob"] = Field(description="`lob`")
    token: SecretReference = Field(description="the API key, `test_…` prints nothing: `{env: SOJOURN_SECRET_LOB}`")
    sender: Annotated[str, Field(pattern=r"^adr_[A-Za-z0-9]{1,64}$")] = Field(
        description="the id of your own address at Lob, for returns: `adr_…`"
    )
    print_after: Annotated[Duration | None, Given] = Field(
        None,
        le=MAX_WAIT,
        description="how long Lob keeps a piece before it is printed, so that the end of the journey can take it back: "
        "`1d`; left out, the account's own time",
        examples=["1d"],
    )
