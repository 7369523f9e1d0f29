"""Subscriptions that are kept, paid with a card that expires, cancelled, moved, and reported without their date."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.examples.harness import ExampleHarness, Line, Walker, sent

DAY = timedelta(days=1)
TEN = time(10)
SCHEDULED = Line("Renewal Scheduled")
ENTERED = Line("entered renewal")
BEGUN = [Line("identify"), SCHEDULED, ENTERED]
TITLES = {
    "reminder": "One week until your subscription renews",
    "card": "Your card expires before your subscription renews",
    "tomorrow": "Your subscription renews tomorrow",
}


class Renewal:
    """A date, and what is said at ten o'clock of the days around it."""

    def __init__(self, walker: Walker, days: int) -> None:
        self._zone = ZoneInfo(walker.timezone)
        self.day: date = walker.now().astimezone(self._zone).date() + days * DAY

    def at(self, days: int) -> datetime:
        """Ten o'clock so many days from the date."""
        return datetime.combine(self.day + days * DAY, TEN, self._zone)

    def rested(self, step: str, since: datetime | None, days: int) -> list[Line]:
        return [Line(f"{step}: waiting", since), Line(f"{step}: over", self.at(days))]

    def noticed(self, since: datetime) -> list[Line]:
        title = f"Your subscription renews on {self.day.day} {self.day:%B %Y}"
        return [
            *self.rested("a-month-ahead", since, -30),
            *sent("notice", "renewal-notice", title, self.at(-30)),
        ]

    def week_ahead(self, since: datetime, step: str) -> list[Line]:
        return [
            *self.rested("a-week-ahead", since, -7),
            Line("can-be-charged: otherwise" if step == "reminder" else "can-be-charged: case 1", self.at(-7)),
            *sent(step, f"renewal-{step}", TITLES[step], self.at(-7)),
        ]

    def day_ahead(self) -> list[Line]:
        return [
            *self.rested("a-day-ahead", self.at(-7), -1),
            *sent("tomorrow", "renewal-tomorrow", TITLES["tomorrow"], self.at(-1)),
        ]


async def subscribes(walker: Walker, days: int, **traits: object) -> Renewal:
    """With a date so many days from today."""
    renewal = Renewal(walker, days)
    await walker.signs_up(**traits)
    await schedules(walker, renewal)
    return renewal


async def schedules(walker: Walker, renewal: Renewal, subscription: str = "s1") -> None:
    await walker.does("Renewal Scheduled", subscription_id=subscription, renews_at=renewal.day.isoformat(), plan="Plus")


async def keeps_it(walker: Walker) -> list[Line]:
    renewal = await subscribes(walker, 45, card_expires_on="2099-01-31")
    await walker.waits(days=44, hours=12)
    await walker.does("Subscription Renewed", subscription_id="s1")
    return [
        *BEGUN,
        *renewal.noticed(await walker.time_of(ENTERED.text)),
        *renewal.week_ahead(renewal.at(-30), "reminder"),
        *renewal.day_ahead(),
        Line("three-days-late: waiting", renewal.at(-1)),
        Line("Subscription Renewed"),
        Line("left renewal: ended by Subscription Renewed"),
        Line("reached the goal of renewal: Subscription Renewed, after tomorrow"),
    ]


async def has_a_card_that_expires_and_does_nothing(walker: Walker) -> list[Line]:
    expires = walker.now().date() + 40 * DAY
    renewal = await subscribes(walker, 45, card_expires_on=expires.isoformat())
    await walker.waits(days=50)
    return [
        *BEGUN,
        *renewal.noticed(await walker.time_of(ENTERED.text)),
        *renewal.week_ahead(renewal.at(-30), "card"),
        *renewal.day_ahead(),
        *renewal.rested("three-days-late", renewal.at(-1), 3),
        *sent("tell-billing", "renewal-overdue", "renewal_overdue", renewal.at(3), channel="webhook"),
        Line("renewal is over: overdue", renewal.at(3)),
    ]


async def pays_monthly_and_cancels_one_of_two(walker: Walker) -> list[Line]:
    renewal = await subscribes(walker, 20)
    await walker.waits(minutes=10)
    await schedules(walker, renewal, "s2")
    await walker.waits(days=1)
    await walker.does("Subscription Cancelled", subscription_id="s2")
    await walker.waits(days=14)
    await walker.does("Subscription Cancelled", subscription_id="s1")
    since = await walker.time_of(ENTERED.text)
    begun = [SCHEDULED, ENTERED, Line("a-month-ahead: past", since), Line("a-week-ahead: waiting", since)]
    cancelled = [Line("Subscription Cancelled"), Line("left renewal: ended by Subscription Cancelled")]
    return [
        Line("identify"),
        *begun,
        *begun,
        *cancelled,
        *renewal.week_ahead(since, "reminder")[1:],
        Line("a-day-ahead: waiting", renewal.at(-7)),
        *cancelled,
    ]


async def gets_another_date_and_wants_no_marketing(walker: Walker) -> list[Line]:
    await subscribes(walker, 45, consent={"email": False})
    await walker.waits(days=10)
    moved = Renewal(walker, 50)
    await schedules(walker, moved)
    await walker.waits(days=49)
    await walker.does("Subscription Renewed")
    since = await walker.time_of(ENTERED.text)
    return [
        *BEGUN,
        Line("a-month-ahead: waiting", since),
        SCHEDULED,
        Line("left renewal: ended by Renewal Scheduled"),
        ENTERED,
        *moved.noticed(since),
        Line("a-week-ahead: waiting", moved.at(-30)),
        Line("Subscription Renewed"),
        Line("left renewal: ended by Subscription Renewed"),
        # For either journey, the one to the first date and the one to the second.
        Line("reached the goal of renewal: Subscription Renewed"),
        Line("reached the goal of renewal: Subscription Renewed, after notice"),
    ]


async def is_reported_without_a_date(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await walker.does("Renewal Scheduled", subscription_id="s1")
    return [Line("identify"), SCHEDULED, Line("not let into renewal: condition")]


async def test_renewals_are_announced(example: ExampleHarness) -> None:
    await example.publish("renewal")
    timelines, wanted = await example.play(
        keeps_it,
        has_a_card_that_expires_and_does_nothing,
        pays_monthly_and_cancels_one_of_two,
        gets_another_date_and_wants_no_marketing,
        is_reported_without_a_date,
    )
    assert timelines == wanted
