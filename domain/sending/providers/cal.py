"""The settings of a calendar at Cal.com."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.sending.providers.model import AccountModel
from domain.sending.providers.secret_reference import SecretReference


class CalModel(AccountModel):
    """A calendar at Cal.com, by whose links people book calls."""

    name: ClassVar[str] = "cal"

    kind: Literal["cal"] = Field(description="`cal`")
    callback_secret: SecretReference = Field(
        description="the secret of the webhook that reports bookings: `{env: SOJOURN_SECRET_CAL_HOOK}`"
    )
