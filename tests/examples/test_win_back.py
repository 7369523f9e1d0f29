"""People who stay away, who come back, who never left, and who want no mail."""

from datetime import UTC, datetime, time, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from cli.demo.zones import zone_where_it_is
from tests.examples.harness import EVERY_DAY, ExampleHarness, Line, Walker, sent, window_opens
from tests.harness import ahead

DAY = timedelta(days=1)
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The day without mails: Sunday in the file, and here the day on which the silence ends for most.
NOW = datetime.now(UTC)
CLOSED = (NOW + 30 * DAY).astimezone(ZoneInfo(zone_where_it_is(15, NOW))).weekday()
OPEN_DAYS = [day for day in EVERY_DAY if day != CLOSED]
ENTERED = Line("entered win-back")
LEFT = Line("left win-back: ended by Session Started")
SESSION = Line("Session Started")
NOT_AWAY = Line("was-away: otherwise")
BEGUN = [Line("identify"), SESSION, ENTERED, NOT_AWAY]


async def has_a_session(walker: Walker, **traits: object) -> None:
    await walker.signs_up(**traits)
    await walker.does("Session Started")


def written(step: str, template: str, title: str, due: datetime, walker: Walker) -> tuple[list[Line], datetime]:
    """The lines of a mail that is due at this instant, and when it goes: from nine to eight, on six days a week."""
    opens = window_opens(due, walker.timezone, time(9), time(20), OPEN_DAYS)
    deferred = [] if opens == due else [Line(f"{step}: deferred: send_window", due)]
    return [*deferred, *sent(step, template, title, opens)], opens


def silent(at: datetime) -> list[Line]:
    return [Line("at-risk: stage at-risk", at), Line("since: set silent_since", at)]


def first_two(entered_at: datetime, walker: Walker) -> tuple[list[Line], datetime]:
    """The lines of the first two mails, and when the second one goes."""
    at_risk = entered_at + 30 * DAY
    news, at = written("news", "win-back-news", "Ada, a lot is new", at_risk, walker)
    gift, at = written("gift", "win-back-gift", "Ten percent to come back to", at + 7 * DAY, walker)
    return [*silent(at_risk), *news, *gift], at


async def whole_way(walker: Walker) -> list[Line]:
    await has_a_session(walker)
    await walker.waits(days=65)
    two, at = first_two(await walker.time_of(ENTERED.text), walker)
    goodbye, at = written("goodbye", "win-back-goodbye", "Shall we stop writing?", at + 14 * DAY, walker)
    lapsed = at + 7 * DAY
    over = [Line("lapsed: stage lapsed", lapsed), Line("win-back is over: completed", lapsed)]
    return [*BEGUN, *two, *goodbye, *over]


async def stays_away(walker: Walker) -> list[Line]:
    return await whole_way(walker)


async def stays_away_and_is_written_to_by_day(walker: Walker) -> list[Line]:
    walker.timezone = zone_where_it_is(3, datetime.now(UTC))
    return await whole_way(walker)


async def comes_back_after_two_mails(walker: Walker) -> list[Line]:
    """A session a week before counts for nothing."""
    await has_a_session(walker)
    await walker.waits(days=7)
    await walker.does("Session Started")
    await walker.waits(days=41)
    two, _ = first_two(await walker.time_of(ENTERED.text), walker)
    await walker.does("Session Started")
    await walker.waits(days=1)
    await walker.does("Order Completed")
    return [
        *BEGUN,
        *(SESSION, LEFT, ENTERED, NOT_AWAY),
        *two,
        SESSION,
        LEFT,
        ENTERED,
        Line("reached the goal of win-back: Session Started, after gift"),
        Line("was-away: case 1"),
        Line("returned: stage active"),
        Line("tell-others: reported Customer Returned"),
        Line("Customer Returned"),
        Line("Order Completed"),
        Line("left win-back: ended by Order Completed"),
    ]


async def comes_back_after_everything(walker: Walker) -> list[Line]:
    lines = await whole_way(walker)
    await walker.comes_to_an_end()
    await walker.does("Session Started")
    await walker.waits(days=1)
    await walker.does("Order Completed")
    return [
        *lines,
        SESSION,
        ENTERED,
        Line("reached the goal of win-back: Session Started, after goodbye"),
        Line("was-away: case 1"),
        Line("returned: stage active"),
        Line("tell-others: reported Customer Returned"),
        Line("Customer Returned"),
        Line("Order Completed"),
        Line("left win-back: ended by Order Completed"),
    ]


async def comes_every_day(walker: Walker) -> list[Line]:
    """Two sessions come in one batch, and one comes after those that it was before."""
    await has_a_session(walker)
    await walker.waits(days=29)
    session = {"type": "track", "userId": walker.id, "event": "Session Started"}
    times = [(walker.now() - number * timedelta(hours=1)).isoformat() for number in (2, 1, 0)]
    batch = [{**session, "messageId": str(uuid4()), "timestamp": at} for at in times[1:]]
    with ahead(walker.ahead):
        await walker.harness.post("batch", {"batch": batch})
    await walker.waits(days=29)
    with ahead(walker.ahead):
        await walker.harness.track(walker.id, "Session Started", timestamp=times[0])
    await walker.does("Order Completed")
    return [
        *BEGUN,
        *(SESSION, SESSION),
        *(LEFT, ENTERED),
        *(LEFT, ENTERED),
        NOT_AWAY,
        *(SESSION, Line("not let into win-back: too_old")),
        *(Line("Order Completed"), Line("left win-back: ended by Order Completed")),
    ]


async def wants_no_mail(walker: Walker) -> list[Line]:
    await has_a_session(walker, consent={"email": False})
    await walker.waits(days=65)
    at_risk = await walker.time_of(ENTERED.text) + 30 * DAY
    return [
        *BEGUN,
        *silent(at_risk),
        Line("news: refused: no_consent", at_risk),
        Line("gift: refused: no_consent", at_risk + 7 * DAY),
        Line("goodbye: refused: no_consent", at_risk + 21 * DAY),
        Line("lapsed: stage lapsed", at_risk + 28 * DAY),
        Line("win-back is over: completed", at_risk + 28 * DAY),
    ]


async def test_the_silent_are_written_to(example: ExampleHarness) -> None:
    days = f"[{', '.join(WEEK[day] for day in OPEN_DAYS)}]"
    await example.publish("win-back", {"[mon, tue, wed, thu, fri, sat]": days})
    timelines, wanted = await example.play(
        stays_away,
        stays_away_and_is_written_to_by_day,
        comes_back_after_two_mails,
        comes_back_after_everything,
        comes_every_day,
        wants_no_mail,
    )
    assert timelines == wanted
    items = await example.harness.timeline("comes-back-after-everything")
    session = next(item for item in items if item["summary"] == "Session Started")
    [returned] = [item for item in items if item["summary"] == "Customer Returned"]
    silent_since = datetime.fromisoformat(returned["data"]["properties"]["silent_since"])
    assert silent_since == datetime.fromisoformat(session["at"])
