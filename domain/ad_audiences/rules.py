"""The rules of audiences and of accounts at ad platforms."""

from typing import Any

from msgspec import Struct

from domain.ad_audiences.identifiers import IdentifierKind
from domain.sending.providers.ad_account import AdAccountModel
from domain.sending.providers.ad_accounts import ad_account_model


class AdAudienceRule(Struct, frozen=True, omit_defaults=True):
    """An audience. `list_id` is its id there, `mirror` the segment that fills it."""

    name: str
    provider: str
    list_id: str
    identifiers: tuple[IdentifierKind, ...]
    mirror: str | None = None


class AdAccountRule(Struct, frozen=True, tag="ad_account", tag_field="rule", omit_defaults=True):
    """An account at an ad platform. `settings` are its keys as authors write them."""

    name: str
    kind: str
    settings: dict[str, Any]

    def model(self) -> AdAccountModel:
        """Return the settings, typed. Raises ValueError or KeyError in other builds."""
        return ad_account_model(self.kind).model_validate(self.settings)
