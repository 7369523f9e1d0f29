"""Frequency caps: how many messages a person may get, and how close together, over all campaigns.

The decider touches nothing but its arguments: the rules, what the ledger already holds for the person, the instant and
the zone in which the person lives by then.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from domain.campaign.plan import MessagePriority
from domain.local_time.periods import Period, next_period_start, period_start

TRANSACTIONAL, HIGH = "transactional", "high"

_DAY = 86_400
# A day more than their length by the calendar: by no more have clocks ever made one longer. So whoever reads what lies
# within this of an instant has read all that is in its period, in whatever zone.
LONGEST: dict[Period, int] = {"day": 2 * _DAY, "week": 8 * _DAY, "month": 32 * _DAY}


class CapRule(Struct, frozen=True):
    """At most `limit` messages in a window, and at least `min_gap` seconds between two; either may be None.

    The window is `window` seconds long and rolls. Where there is a `calendar`, it is the day, week or month of the
    recipient instead, and `window` the longest that one of those may last. Empty `channels` or `categories` mean all.
    `counts` says which of the messages that pass every rule take up room in this one: transactional, high.
    """

    name: str
    limit: int | None = None
    window: int | None = None
    channels: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    calendar: Period | None = None
    min_gap: int | None = None
    counts: tuple[str, ...] = ()

    def limits(self, channel: str, category: str, priority: MessagePriority) -> bool:
        """Whether this rule may stand in the way of such a message."""
        return not is_exempt(category, priority) and self._concerns(channel, category)

    def counts_in(self, channel: str, category: str, priority: MessagePriority) -> bool:
        """Whether such a message takes up room in this rule.

        A transactional one is of no category that a rule may name: where it counts, it does so beside `categories`.
        """
        if not is_exempt(category, priority):
            return self._concerns(channel, category)
        if category == TRANSACTIONAL and TRANSACTIONAL in self.counts:
            return self._is_of(channel)
        return priority == HIGH and HIGH in self.counts and self._concerns(channel, category)

    def _concerns(self, channel: str, category: str) -> bool:
        return self._is_of(channel) and (not self.categories or category in self.categories)

    def _is_of(self, channel: str) -> bool:
        return not self.channels or channel in self.channels


class CountedMessage(Struct, frozen=True):
    """A message of the ledger that counts: it is reserved, being sent, sent, or of unknown outcome."""

    at: datetime
    channel: str
    category: str
    priority: MessagePriority = "normal"


class Capped(Struct, frozen=True):
    """The rule that stands in the way longest. At `frees_at` all rules allow again, if nothing else is sent.

    Of `window`, `calendar` and `min_gap` the one is set in which `count` messages meet the `limit`.
    """

    rule: str
    limit: int
    count: int
    frees_at: datetime
    window: int | None = None
    calendar: Period | None = None
    min_gap: int | None = None


def is_exempt(category: str, priority: MessagePriority) -> bool:
    """Whether a message passes every rule."""
    return category == TRANSACTIONAL or priority == HIGH


def check(
    rules: Iterable[CapRule],
    ledger: Sequence[CountedMessage],
    *,
    channel: str,
    category: str,
    priority: MessagePriority,
    at: datetime,
    zone: ZoneInfo,
) -> Capped | None:
    """None if one more message is within all rules at this instant, else the rule that frees last.

    In a rolling window a message counts from its instant until `window` seconds later, that later instant excluded; in
    a calendar's it counts until the period ends that it lies in, by the present zone. One that lies in the future, as a
    journey with a clock of its own may have left it, counts as well: the cap errs towards silence. So a rule that
    allows now allows ever after, until something is sent.
    """
    refusals = [
        refusal
        for rule in rules
        if rule.limits(channel, category, priority)
        for refusal in _refusals(rule, ledger, at, zone)
    ]
    return max(refusals, key=lambda refusal: refusal.frees_at, default=None)


def _refusals(rule: CapRule, ledger: Sequence[CountedMessage], at: datetime, zone: ZoneInfo) -> Iterator[Capped]:
    instants = sorted(
        message.at for message in ledger if rule.counts_in(message.channel, message.category, message.priority)
    )
    if rule.min_gap is not None:
        # A gap is a window with room for one.
        count, frees_at = _rolling_refusal(1, rule.min_gap, instants, at)
        if frees_at is not None:
            yield Capped(rule.name, 1, count, frees_at, min_gap=rule.min_gap)
    if rule.limit is None:
        return
    if rule.calendar is not None:
        count, frees_at = _by_calendar(rule.limit, rule.calendar, instants, at, zone)
        if frees_at is not None:
            yield Capped(rule.name, rule.limit, count, frees_at, calendar=rule.calendar)
    elif rule.window is not None:
        count, frees_at = _rolling_refusal(rule.limit, rule.window, instants, at)
        if frees_at is not None:
            yield Capped(rule.name, rule.limit, count, frees_at, window=rule.window)


def _rolling_refusal(
    limit: int, seconds: int, instants: Sequence[datetime], at: datetime
) -> tuple[int, datetime | None]:
    window = timedelta(seconds=seconds)
    counted = [instant for instant in instants if instant + window > at]
    last = _in_the_way(limit, counted)
    return len(counted), None if last is None else last + window


def _by_calendar(
    limit: int, period: Period, instants: Sequence[datetime], at: datetime, zone: ZoneInfo
) -> tuple[int, datetime | None]:
    start = period_start(period, at, zone)
    counted = [instant for instant in instants if instant >= start]
    last = _in_the_way(limit, counted)
    return len(counted), None if last is None else next_period_start(period, last, zone)


def _in_the_way(limit: int, counted: Sequence[datetime]) -> datetime | None:
    """The message that must have left the window before it has room: all of them must but `limit` - 1."""
    return counted[len(counted) - limit] if len(counted) >= limit else None
