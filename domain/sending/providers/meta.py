"""The settings of an account at Meta, which has custom audiences."""

from typing import ClassVar, Literal

from pydantic import Field

from domain.ad_audiences.identifiers import IdentifierKind
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.secret_reference import SecretReference


class MetaModel(AdAccountModel):
    """An account at Meta, for audiences."""

    name: ClassVar[str] = "meta"
    identifiers: ClassVar[tuple[IdentifierKind, ...]] = ("email", "phone", "external_id")

    kind: Literal["meta"] = Field(description="`meta`")
    token: SecretReference = Field(description="the token of a system user: `{env: SOJOURN_SECRET_META}`")

    @classmethod
    def normalize(cls, kind: IdentifierKind, value: str) -> str:
        """Return an identifier; phone numbers have no plus sign."""
        return value.removeprefix("+") if kind == "phone" else value
