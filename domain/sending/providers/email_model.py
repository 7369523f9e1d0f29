"""The base of the settings of providers of e-mail: the keys that sign mails."""

from typing import Annotated, ClassVar

from pydantic import Field

from domain.sending.providers.model import Domain, ProviderModel
from domain.sending.sender_records import DkimSelectors


class EmailModel(ProviderModel):
    """An account at a provider of e-mail.

    `usual_selectors` are those of most of its customers; empty if each has others.
    """

    channels: ClassVar[frozenset[str]] = frozenset({"email"})
    usual_selectors: ClassVar[tuple[str, ...]] = ()

    dkim_selectors: Annotated[list[Domain], Field(max_length=10)] = Field(
        [],
        description="the names of the DKIM keys by which it signs: `[s1, s2]`; left out, `check` seeks its usual ones",
    )

    def dkim_signer(self) -> DkimSelectors | None:
        """Return the selectors of the document, else the usual ones, if there are any."""
        if self.dkim_selectors:
            return DkimSelectors(tuple(self.dkim_selectors), needs_all=True)
        return DkimSelectors(self.usual_selectors, needs_all=False) if self.usual_selectors else None
