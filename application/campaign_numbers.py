"""The numbers of all campaigns over the last days."""

from collections import Counter
from datetime import date, datetime, timedelta

from msgspec import Struct

from application.snapshots import Snapshots
from domain.wilson import bound_share
from store import campaigns, daily_counts, journey_moves
from store.database import Database


class GoalRate(Struct, frozen=True):
    """A share, and the bounds of its 95 % interval."""

    rate: float
    low: float
    high: float


class CampaignNumbers(Struct, frozen=True, kw_only=True):
    """A campaign's entries by day, the earliest first; its sums of these days.

    `goals` are those of the journeys that entered on these days, and `goal_rate` their share; None without entries.
    `in_flight` are the active journeys of all days.
    """

    key: str
    entered_by_day: list[int]
    in_flight: int
    sent: int
    refused: dict[str, int]
    goals: int
    goal_rate: GoalRate | None


class AllNumbers(Struct, frozen=True):
    """The numbers of all campaigns, by key, of the days since one."""

    since: date
    at: datetime
    campaigns: list[CampaignNumbers]


class CampaignsNumbers:
    """Sums up what was counted by day; viewers share the sums."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._snapshots: Snapshots[int, AllNumbers] = Snapshots(self._sum)

    async def __call__(self, days: int) -> AllNumbers:
        """Return the numbers of the last UTC days, today included."""
        return await self._snapshots.get(days)

    async def _sum(self, days: int) -> AllNumbers:
        async with self._database.own_transaction() as connection:
            at = connection.clock.now()
            since = at.date() - timedelta(days=days - 1)
            known = await campaigns.all_campaigns(connection)
            active = await journey_moves.count_active(connection)
            counts = await daily_counts.read_campaigns(connection, since, ("entry", "send", "message", "goal"))
        entered: Counter[tuple[str, date]] = Counter()
        sums: Counter[tuple[str, str]] = Counter()
        refused: dict[str, Counter[str]] = {}
        for count in counts:
            key = count.campaign_key
            if (count.kind, count.outcome) == ("entry", "entered"):
                entered[key, count.day] += count.number
            elif count.outcome == "refused":
                refused.setdefault(key, Counter())[count.reason] += count.number
            else:
                sums[key, count.outcome] += count.number
        exiting = {(campaign.key, version) for campaign in known for version in campaign.exiting}
        in_flight: Counter[str] = Counter()
        for (key, version), number in active.items():
            # Those of a stopped version count as ended, though their rows may not say so yet.
            if (key, version) not in exiting:
                in_flight[key] += number
        listed = []
        for campaign in known:
            by_day = [entered[campaign.key, since + timedelta(days=day)] for day in range(days)]
            goals = sums[campaign.key, "reached"]
            listed.append(
                CampaignNumbers(
                    key=campaign.key,
                    entered_by_day=by_day,
                    in_flight=in_flight[campaign.key],
                    sent=sums[campaign.key, "sent"],
                    refused=dict(sorted(refused.get(campaign.key, {}).items())),
                    goals=goals,
                    goal_rate=_rate(goals, sum(by_day)),
                )
            )
        return AllNumbers(since, at, listed)


def _rate(goals: int, entered: int) -> GoalRate | None:
    """Return the share of journeys that reached the goal.

    A journey's day is that of its entry by both counts, but for midnights between them.
    """
    if not entered:
        return None
    part = min(goals, entered)
    low, high = bound_share(part, entered)
    return GoalRate(round(part / entered, 6), round(max(0.0, low), 6), round(min(1.0, high), 6))
