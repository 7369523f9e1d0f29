"""The base of the settings of providers of e-mail: signing keys, and pauses."""

import re
from typing import Annotated, Any, ClassVar, Final

from pydantic import BeforeValidator, Field

from domain.campaign.schema import DocumentModel, Given, pattern_check, quote_value, refuse
from domain.sending.deliverability import DEFAULT_LIMITS, PauseLimits
from domain.sending.providers.model import Domain, ProviderModel
from domain.sending.sender_records import DkimSelectors

_PERCENT: Final = r"(?:100|\d{1,2})(?:\.\d{1,4})?%"


def _percent(value: Any) -> str:
    """Return a share as it is written, such as `0.1%`."""
    if not isinstance(value, str) or not re.fullmatch(_PERCENT, value):
        refuse(f"{quote_value(value)} is not a share", "Write it in percent, with a sign: `0.1%`")
    return value


Percent = Annotated[str, BeforeValidator(_percent), pattern_check(_PERCENT, "0.1%")]


class PauseModel(DocumentModel):
    """The rates of a day above which the marketing of a provider is paused."""

    complaints: Annotated[Percent | None, Given] = Field(
        None, description="of the deliveries: `0.05%`; left out, 0.1 %, which large mailbox providers ask for"
    )
    hard_bounces: Annotated[Percent | None, Given] = Field(
        None, description="of the messages delivered or bounced hard: `1%`; left out, 2 %"
    )

    def limits(self) -> PauseLimits:
        """Return the rates, with the usual ones for those left out."""
        given = {"complaints": self.complaints, "hard_bounces": self.hard_bounces}
        return PauseLimits(**{name: float(share[:-1]) / 100 for name, share in given.items() if share is not None})


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

    pause: Annotated[PauseModel | None, Given] = Field(
        None, description="when its marketing is paused: `{complaints: 0.05%, hard_bounces: 1%}`"
    )

    def pause_limits(self) -> PauseLimits:
        return DEFAULT_LIMITS if self.pause is None else self.pause.limits()

    def dkim_signer(self) -> DkimSelectors | None:
        """Return the selectors of the document, else the usual ones, if there are any."""
        if self.dkim_selectors:
            return DkimSelectors(tuple(self.dkim_selectors), needs_all=True)
        return DkimSelectors(self.usual_selectors, needs_all=False) if self.usual_selectors else None
