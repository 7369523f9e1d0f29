"""The fields for replies to a campaign's mails."""

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from domain.campaign.schema import DocumentModel, Given, Text, quote_value, refuse
from domain.people.addresses import MAX_ADDRESS_CHARACTERS, parse_email


def _check_address(value: Any) -> Any:
    if not isinstance(value, str) or parse_email(value) is None:
        refuse(f"{quote_value(value)} is not an e-mail address", "Write it as `sales@example.com`")
    return value.strip()


EmailText = Annotated[str, Field(min_length=3, max_length=MAX_ADDRESS_CHARACTERS), BeforeValidator(_check_address)]


class RepliesModel(DocumentModel):
    """The destination of replies to the campaign's mails, besides their event."""

    forward_to: Annotated[EmailText | None, Given] = Field(
        None, description="the address that replies are forwarded to: `sales@example.com`; left out, to none"
    )
    owner: Annotated[Text | None, Given] = Field(
        None,
        description="a trait that names the person's own address for them, such as `owner_email`: it counts where it "
        "is at the domain of `forward_to`",
    )

    @model_validator(mode="after")
    def _has_fallback(self) -> Self:
        if self.owner is not None and self.forward_to is None:
            refuse("`owner` needs an address for people without one", "Add `forward_to: sales@example.com`")
        return self
