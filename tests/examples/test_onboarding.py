"""New people of either role and of none, who do what they came for or do not."""

from datetime import datetime, time, timedelta

from tests.examples.harness import WORKDAYS, ExampleHarness, Line, Walker, next_clock, sent, window_opens

DAY = timedelta(days=1)
ENTERED = "entered onboarding"
HALF_PAST_NINE = time(9, 30)


async def signs_up(walker: Walker, role: str | None) -> None:
    await walker.signs_up(role=role)
    await walker.does("Signed Up")


def welcomed(way: str) -> list[Line]:
    welcome = sent("welcome", "onboarding-welcome", "Welcome, Ada", None)
    return [Line("identify"), Line("Signed Up"), Line(ENTERED), *welcome, Line(f"role: {way}")]


def next_morning(since: datetime, at: datetime) -> list[Line]:
    return [Line("next-morning: waiting", since), Line("next-morning: over", at)]


def invited(at: datetime) -> list[Line]:
    return sent("ask-to-invite", "onboarding-invite", "Who works with you?", at)


CHECKLIST = sent("checklist", "onboarding-checklist", "show_checklist", None, channel="webhook")


def shown_how(since: datetime, at: datetime) -> list[Line]:
    return [
        *(Line("morning: waiting", since), Line("morning: over", at)),
        *sent("show-how", "onboarding-report", "Your first report in three clicks", at),
    ]


async def an_admin_invites_nobody(walker: Walker) -> list[Line]:
    await signs_up(walker, "admin")
    await walker.waits(days=21)
    since = await walker.time_of(ENTERED)
    due_at = next_clock(since, walker.timezone, HALF_PAST_NINE, WORKDAYS)
    lines = [*welcomed("case 1"), *next_morning(since, due_at)]
    for _ in range(3):
        at = window_opens(due_at, walker.timezone, time(8), time(18), WORKDAYS)
        if at > due_at:
            lines.append(Line("ask-to-invite: deferred: send_window", due_at))
        lines += invited(at)
        due_at = at + 2 * DAY
    return [
        *lines,
        *sent("tell-success", "onboarding-success", "call_admin", due_at, channel="webhook"),
        Line("onboarding is over: needs-help", due_at),
    ]


async def an_admin_invites_after_the_first_mail(walker: Walker) -> list[Line]:
    await signs_up(walker, "admin")
    since = await walker.time_of(ENTERED)
    at = next_clock(since, walker.timezone, HALF_PAST_NINE, WORKDAYS)
    await walker.waits(seconds=(at - walker.now()).total_seconds() + 3600)
    await walker.does("Feature Used", feature="report")
    await walker.does("Feature Used", feature="invitation")
    return [
        *welcomed("case 1"),
        *next_morning(since, at),
        *invited(at),
        *(Line("Feature Used"), Line("Feature Used")),
        Line("left onboarding: Feature Used is its goal"),
        Line("reached the goal of onboarding: Feature Used, after ask-to-invite"),
    ]


async def a_member_begins_and_gets_there(walker: Walker) -> list[Line]:
    await signs_up(walker, "member")
    await walker.sees(CHECKLIST[-1].text)
    await walker.does("Report Started")
    await walker.waits(days=1)
    await walker.does("Feature Used", feature="report")
    await walker.does("Signed Up")
    return [
        *welcomed("otherwise"),
        *CHECKLIST,
        *(Line("Report Started"), Line("Feature Used")),
        Line("left onboarding: Feature Used is its goal"),
        Line("reached the goal of onboarding: Feature Used, after checklist"),
        Line("Signed Up"),
        Line("not let into onboarding: reentry_never"),
    ]


async def a_member_leaves_for_good(walker: Walker) -> list[Line]:
    await signs_up(walker, "member")
    await walker.sees(CHECKLIST[-1].text)
    await walker.does("Account Closed")
    return [
        *welcomed("otherwise"),
        *CHECKLIST,
        Line("Account Closed"),
        Line("left onboarding: ended by Account Closed"),
    ]


async def a_member_of_the_campaigns_own_zone_needs_to_be_shown(walker: Walker) -> list[Line]:
    await walker.signs_up(role="member", timezone=None)
    await walker.does("Signed Up")
    await walker.waits(days=5)
    await walker.comes_to_an_end()
    await walker.waits(days=3)
    await walker.does("Feature Used", feature="report")
    since = await walker.time_of(ENTERED) + DAY
    at = next_clock(since, "Europe/Berlin", HALF_PAST_NINE, WORKDAYS)
    return [
        *welcomed("otherwise"),
        *CHECKLIST,
        *shown_how(since, at),
        Line("onboarding is over: completed", at),
        Line("Feature Used"),
        Line("reached the goal of onboarding: Feature Used, after show-how"),
    ]


async def a_member_begins_and_gets_stuck(walker: Walker) -> list[Line]:
    await signs_up(walker, "member")
    await walker.sees(CHECKLIST[-1].text)
    await walker.does("Report Started")
    await walker.waits(days=7)
    since = await walker.time_of("Report Started") + 3 * DAY
    at = next_clock(since, walker.timezone, HALF_PAST_NINE, WORKDAYS)
    return [
        *welcomed("otherwise"),
        *CHECKLIST,
        Line("Report Started"),
        *shown_how(since, at),
        Line("onboarding is over: completed", at),
    ]


async def a_guest_signs_up(walker: Walker) -> list[Line]:
    await signs_up(walker, "guest")
    return [Line("identify"), Line("Signed Up"), Line("not let into onboarding: condition")]


async def nobody_knows_the_role(walker: Walker) -> list[Line]:
    await signs_up(walker, None)
    return [Line("identify"), Line("Signed Up"), Line("not let into onboarding: condition")]


async def test_new_people_are_led_by_their_role(example: ExampleHarness) -> None:
    await example.publish("onboarding")
    timelines, wanted = await example.play(
        an_admin_invites_nobody,
        an_admin_invites_after_the_first_mail,
        a_member_begins_and_gets_there,
        a_member_leaves_for_good,
        a_member_of_the_campaigns_own_zone_needs_to_be_shown,
        a_member_begins_and_gets_stuck,
        a_guest_signs_up,
        nobody_knows_the_role,
    )
    assert timelines == wanted
