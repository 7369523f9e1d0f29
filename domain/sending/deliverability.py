"""Rates of delivered messages, and when they pause a provider's marketing.

Mailbox providers throttle or block senders above these rates, transactional messages included. The marketing of a
provider that exceeds one is paused until an operator resumes it. The document of providers may set other rates.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from domain.sending.caps import is_transactional

# Rolling: a calendar day would forget a bad evening at midnight, and begin with numbers too small to judge. Each holds
# the messages of its time, and what has become of them since: a mailing of Friday is complained of until Monday.
WINDOWS: Final = (timedelta(hours=24), timedelta(hours=72))
# Below these, one person's click decides about a rate.
MIN_MESSAGES: Final = 1_000
MIN_COMPLAINTS: Final = 5
# A mail does not prove who wrote it, and the address to report to is in the mail that a recipient has. So complaints by
# mail count once so many recipients have sent one: as many as dead addresses, of which it takes 2 % of 1,000.
MIN_MAILED_COMPLAINTS: Final = 20
# Gmail and Yahoo ask bulk senders to stay below 0.1 % of complaints, and never to reach 0.3 %.
MAX_COMPLAINTS: Final = 0.001
MAX_HARD_BOUNCES: Final = 0.02

PauseCause = Literal["complaints", "hard_bounces"]


class PauseLimits(Struct, frozen=True):
    """The rates above which a provider's marketing is paused."""

    complaints: float = MAX_COMPLAINTS
    hard_bounces: float = MAX_HARD_BOUNCES


DEFAULT_LIMITS: Final = PauseLimits()


class DeliveryCounts(Struct, frozen=True, kw_only=True):
    """The numbers of messages by what became of them, each message once in each.

    Each address is once in complaints, hard bounces and `refused`, which are those that a provider refused at the
    hand-over. `soft_bounced` are the other bounces. `complained_by_mail` are among those `complained`.
    """

    sent: int = 0
    delivered: int = 0
    hard_bounced: int = 0
    soft_bounced: int = 0
    complained: int = 0
    opened: int = 0
    clicked: int = 0
    refused: int = 0
    complained_by_mail: int = 0

    @property
    def deliveries(self) -> int:
        """The messages delivered: reported ones, or those sent that did not bounce.

        Mail servers report bounces alone.
        """
        return max(self.delivered, self.sent - self.hard_bounced - self.soft_bounced)

    @property
    def complaints(self) -> int:
        """The complaints that are believed."""
        is_believed = self.complained_by_mail >= MIN_MAILED_COMPLAINTS
        return self.complained if is_believed else self.complained - self.complained_by_mail


class RateExcess(Struct, frozen=True):
    """A rate above its limit: `number` of `messages`."""

    cause: PauseCause
    number: int
    messages: int
    limit: float


class ProviderPause(Struct, frozen=True):
    """The open pause of a provider's marketing, and the numbers that caused it."""

    id: UUID
    provider: str
    cause: PauseCause
    number: int
    messages: int
    limit: float
    paused_at: datetime


def find_excess(counts: DeliveryCounts, limits: PauseLimits = DEFAULT_LIMITS) -> RateExcess | None:
    """Return the rate that pauses a provider's marketing; None if none does.

    Hard bounces count among all that were delivered or bounced hard, since a list of dead addresses delivers nothing.
    So does an address that is refused at the hand-over: most mail servers say there what others say by a bounce.
    """
    delivered, bounced = counts.deliveries, counts.hard_bounced + counts.refused
    if delivered >= MIN_MESSAGES and MIN_COMPLAINTS <= counts.complaints > limits.complaints * delivered:
        return RateExcess("complaints", counts.complaints, delivered, limits.complaints)
    attempted = delivered + bounced
    if attempted >= MIN_MESSAGES and bounced > limits.hard_bounces * attempted:
        return RateExcess("hard_bounces", bounced, attempted, limits.hard_bounces)
    return None


def describe_rate(cause: str, number: int, messages: int, limit: float) -> str:
    """Describe a rate above its limit, for timelines and terminals."""
    share = f"{number:,} {cause.replace('_', ' ')} in {messages:,} messages"
    return f"{share} ({number / messages:.2%}, at most {limit * 100:g}%)"


def find_pause(pauses: Sequence[ProviderPause], provider: str, category: str) -> ProviderPause | None:
    """Return the pause that keeps such a message from a provider; None if none does."""
    if is_transactional(category):
        return None
    return next((pause for pause in pauses if pause.provider == provider), None)


def list_paused(pauses: Iterable[ProviderPause], category: str) -> frozenset[str]:
    """Return the providers that take no such message."""
    return frozenset() if is_transactional(category) else frozenset(pause.provider for pause in pauses)
