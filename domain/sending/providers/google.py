"""The settings of an account at Google Ads, for the Data Manager."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from domain.ad_audiences.identifiers import IdentifierKind
from domain.campaign.schema import Given
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.secret_reference import SecretReference

GoogleAdsId = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]
_GMAIL = ("gmail.com", "googlemail.com")


class GoogleModel(AdAccountModel):
    """An account at Google Ads, for audiences."""

    name: ClassVar[str] = "google"
    identifiers: ClassVar[tuple[IdentifierKind, ...]] = ("email", "phone")

    kind: Literal["google"] = Field(description="`google`")
    account: GoogleAdsId = Field(
        description="the id of the account that has the audiences, without hyphens: `1234567890`"
    )
    login_account: Annotated[GoogleAdsId | None, Given] = Field(
        None, description="the manager account through which the service account reaches it"
    )
    key: SecretReference = Field(
        description="the key of a service account, as its JSON file has it: `{file: /run/secrets/google.json}`"
    )

    @classmethod
    def normalize(cls, kind: IdentifierKind, value: str) -> str:
        """Return an identifier; Gmail ignores dots in the names of its mailboxes."""
        name, _, domain = value.rpartition("@")
        return f"{name.replace('.', '')}@{domain}" if domain in _GMAIL else value
