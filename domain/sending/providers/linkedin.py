"""The settings of an account at LinkedIn, which has matched audiences."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.ad_audiences.identifiers import IdentifierKind
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.secret_reference import SecretReference


class LinkedInModel(AdAccountModel):
    """An account at LinkedIn, for audiences."""

    name: ClassVar[str] = "linkedin"
    identifiers: ClassVar[tuple[IdentifierKind, ...]] = ("email",)
    max_people: ClassVar[int] = 5_000

    kind: Literal["linkedin"] = Field(description="`linkedin`")
    token: SecretReference = Field(
        description="the token of a member with a role in the ad account: `{env: SOJOURN_SECRET_LINKEDIN}`"
    )
