"""The settings of an account at Twilio."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from domain.campaign.schema import Given, refuse
from domain.sending.providers.secret_reference import SecretReference
from domain.sending.providers.text_model import Originator, TextModel

_SID = "[0-9a-fA-F]{32}"
# The prefix of numbers, by channel.
SCHEMES: Final[Mapping[str, str]] = {"sms": "", "whatsapp": "whatsapp:"}
RcsAgent = Annotated[str, Field(pattern=r"^rcs:[A-Za-z0-9_-]{1,100}$")]


class TwilioModel(TextModel):
    """An account at Twilio."""

    name: ClassVar[str] = "twilio"
    channels: ClassVar[frozenset[str] | None] = frozenset(SCHEMES)

    kind: Literal["twilio"] = Field(description="`twilio`")
    account: Annotated[str, Field(pattern=f"^AC{_SID}$")] = Field(description="the id of the account: `AC…`")
    key: Annotated[str | None, Given, Field(pattern=f"^SK{_SID}$")] = Field(
        None, description="the id of an API key, whose secret `token` is: `SK…`; left out, `token` is the account's"
    )
    token: SecretReference = Field(
        description="the secret of the key, or the auth token: `{env: SOJOURN_SECRET_TWILIO}`"
    )
    service: Annotated[str | None, Given, Field(pattern=f"^MG{_SID}$")] = Field(
        None, description="the messaging service that sends: `MG…`"
    )
    from_: Annotated[RcsAgent | Originator | None, Given] = Field(
        None, alias="from", description='the number that sends, where there is no service: `"+15005550006"`'
    )
    fallback_from: Annotated[Originator | None, Given] = Field(
        None, description="the number that sends what cannot go by RCS, where `from` is an agent of RCS"
    )
    callback_secret: Annotated[SecretReference | None, Given] = Field(
        None,
        description="the auth token of the account, which signs its callbacks: `{env: SOJOURN_SECRET_TWILIO_AUTH}`",
    )

    @model_validator(mode="after")
    def _has_one_sender(self) -> Self:
        if (self.service is None) == (self.from_ is None):
            refuse("a message is from one `service` or from one number", "Write `service: MG…` or `from:`")
        if self.fallback_from is not None and not (self.from_ or "").startswith("rcs:"):
            refuse("`fallback_from` is for messages of an RCS agent", "Write `from: rcs:AGENT`, or leave it out")
        if SCHEMES.get(self.channel) and self.from_ is not None and not self.from_.startswith("+"):
            refuse("WhatsApp sends from a number", 'Write `from: "+14155238886"`')
        return self
