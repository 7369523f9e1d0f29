"""The base of the settings of an account at an ad platform, which has audiences."""

from typing import ClassVar

from domain.ad_audiences.identifiers import IdentifierKind
from domain.sending.providers.model import AccountModel


class AdAccountModel(AccountModel):
    """An account at an ad platform.

    It knows people by `identifiers`. A request has up to `max_people`.
    """

    identifiers: ClassVar[tuple[IdentifierKind, ...]]
    max_people: ClassVar[int] = 10_000

    @classmethod
    def normalize(cls, kind: IdentifierKind, value: str) -> str:
        """Return an identifier as the platform hashes it.

        Addresses come in lower case without blanks, phone numbers in E.164.
        """
        return value
