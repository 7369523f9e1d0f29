"""Frequency caps: how many messages a person may get in a rolling window, over all campaigns together.

The decider touches nothing but its arguments: the rules, what the ledger already holds for the person, and the instant.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

TRANSACTIONAL = "transactional"


class CapRule(Struct, frozen=True):
    """At most `limit` messages in any `window` seconds. Empty `channels` or `categories` mean all of them."""

    name: str
    limit: int
    window: int
    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    def concerns(self, channel: str, category: str) -> bool:
        """Whether a message of this channel and category is limited by, and counts towards, this rule."""
        if category == TRANSACTIONAL and TRANSACTIONAL not in self.categories:
            return False
        return (not self.channels or channel in self.channels) and (not self.categories or category in self.categories)


class Counted(Struct, frozen=True):
    """A message of the ledger that counts: it is reserved, being sent, sent, or of unknown outcome."""

    at: datetime
    channel: str
    category: str


class Capped(Struct, frozen=True):
    """The rule that stands in the way longest. At `frees_at` all rules allow again, if nothing else is sent."""

    rule: str
    limit: int
    window: int
    count: int
    frees_at: datetime


def check(
    rules: Iterable[CapRule], ledger: Sequence[Counted], channel: str, category: str, at: datetime
) -> Capped | None:
    """None if one more message is within all rules at this instant, else the rule that frees last.

    A message counts from its instant until `window` seconds later, that later instant excluded. One that lies in the
    future, as a journey with a clock of its own may have left it, counts as well: the cap errs towards silence.
    """
    refusals = [refusal for rule in rules if (refusal := _check_one(rule, ledger, channel, category, at)) is not None]
    return max(refusals, key=lambda refusal: refusal.frees_at, default=None)


def _check_one(rule: CapRule, ledger: Sequence[Counted], channel: str, category: str, at: datetime) -> Capped | None:
    if not rule.concerns(channel, category):
        return None
    window = timedelta(seconds=rule.window)
    counted = sorted(
        message.at
        for message in ledger
        if message.at + window > at and rule.concerns(message.channel, message.category)
    )
    if len(counted) < rule.limit:
        return None
    # The window has room again once all but limit - 1 of them have left it.
    frees_at = counted[len(counted) - rule.limit] + window
    return Capped(rule=rule.name, limit=rule.limit, window=rule.window, count=len(counted), frees_at=frees_at)
