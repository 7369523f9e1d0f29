"""New people who do what they are shown, who want to see no more of it, who know it all, and who never come back."""

from datetime import UTC, datetime, timedelta

import msgspec

from cli.documents import templates_beside
from domain.campaign.plan import Plan
from domain.campaign.publication import check
from domain.journey import machine
from domain.journey.protocol import (
    Answered,
    Authorize,
    Command,
    Dispatch,
    Evaluate,
    Evaluated,
    Fact,
    Settled,
    SleepUntil,
    Woke,
)
from domain.sending.gate_answers import Granted
from tests.examples.harness import EXAMPLES, ExampleHarness, Line, Walker, shown
from tests.servers import EVENTS_PER_RUN

EVERY = timedelta(days=3)
ROUNDS = 30
ENTERED = Line("entered in-app-onboarding")
BEGUN = [Line("identify"), Line("Signed Up"), ENTERED]


def left_by(event: str) -> list[Line]:
    return [Line(event), Line(f"left in-app-onboarding: ended by {event}")]


ENDED, REACHED = (f"withdrawn before it was shown: the journey {why}" for why in ("ended", "reached its goal"))


def project(at: datetime, became: str) -> list[Line]:
    return [
        *(Line("checklist: another round", at), Line("next-thing: case 1", at)),
        *shown("tip-project", "tip-project", "Start your first project", at, became),
    ]


def invitation(at: datetime, became: str) -> list[Line]:
    return [
        *(Line("checklist: another round", at), Line("next-thing: otherwise", at)),
        *shown("tip-invite", "tip-invite", "Invite a colleague", at, became),
    ]


def done(at: datetime) -> list[Line]:
    return [
        *(Line("checklist: over", at), Line("activated: stage active", at)),
        *(Line("done: reported Onboarding Completed", at), Line("in-app-onboarding is over: completed", at)),
        Line("Onboarding Completed"),
    ]


async def does_both(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await walker.does("Signed Up")
    await walker.waits(days=4)
    await walker.changes(first_project_at="2026-12-01T09:00:00Z")
    await walker.waits(days=3)
    await walker.changes(first_invitation_at="2026-12-02T09:00:00Z")
    await walker.waits(days=3)
    await walker.comes_to_an_end()
    await walker.does("First Project Published")
    since = await walker.time_of(ENTERED.text)
    return [
        *(*BEGUN, *project(since, REACHED), *project(since + EVERY, REACHED)),
        *(Line("identify"), *invitation(since + 2 * EVERY, REACHED)),
        *(Line("identify"), *done(since + 3 * EVERY)),
        Line("First Project Published"),
        Line("reached the goal of in-app-onboarding: First Project Published, after tip-invite"),
    ]


async def knows_it_already(walker: Walker) -> list[Line]:
    await walker.signs_up(first_project_at="2025-01-01", first_invitation_at="2025-01-02")
    await walker.does("Signed Up")
    await walker.sees("in-app-onboarding is over: completed")
    return [*BEGUN, *done(await walker.time_of(ENTERED.text))]


async def wants_no_more_of_it(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await walker.does("Signed Up")
    await walker.waits(hours=1)
    await walker.does("Onboarding Skipped")
    await walker.does("Signed Up")
    since = await walker.time_of(ENTERED.text)
    again = [Line("Signed Up"), Line("not let into in-app-onboarding: reentry_never")]
    return [*BEGUN, *project(since, ENDED), *left_by("Onboarding Skipped"), *again]


async def never_comes_back(walker: Walker) -> list[Line]:
    await walker.signs_up()
    await walker.does("Signed Up")
    await walker.waits(days=(ROUNDS - 1) * EVERY.days + 1)
    await walker.does("Account Closed")
    since = await walker.time_of(ENTERED.text)
    return [
        *BEGUN,
        *(line for number in range(ROUNDS) for line in project(since + number * EVERY, ENDED)),
        *left_by("Account Closed"),
    ]


async def test_new_people_are_shown_the_next_thing(example: ExampleHarness) -> None:
    await example.publish("in-app-onboarding")
    timelines, wanted = await example.play(does_both, knows_it_already, wants_no_more_of_it, never_comes_back)
    assert timelines == wanted

    lengths, sizes = [], []
    handle = await example.harness.journey("never-comes-back")
    run_id = (await handle.describe()).raw_description.workflow_execution_info.first_run_id
    while run_id:
        run = example.harness.temporal.get_workflow_handle(handle.id, run_id=run_id)
        events = (await run.fetch_history()).events
        lengths.append(len(events))
        sizes.append(events[0].ByteSize())
        run_id = events[-1].workflow_execution_continued_as_new_event_attributes.new_execution_run_id
    assert len(lengths) > ROUNDS // 12
    assert max(lengths) < EVENTS_PER_RUN + 20
    # What travels from run to run is full after the first ones, and does not grow.
    assert max(sizes) < 4_000


def fact(command: Command, at: datetime) -> tuple[Fact, datetime]:
    """What becomes of a command for somebody who never does anything, and when."""
    match command:
        case Evaluate(step="checklist"):
            return Evaluated(None), at
        case Evaluate():
            return Evaluated(0), at
        case Authorize():
            return Answered(Granted("a-message")), at
        case Dispatch():
            return Settled("sent", journey_ended=False), at
        case SleepUntil(until=until):
            return Woke(), until
        case _:
            raise AssertionError(command)


def test_thirty_years_of_it_leave_a_journey_small() -> None:
    templates = templates_beside(EXAMPLES / "any.yaml")
    path = EXAMPLES / "in-app-onboarding.yaml"
    plan: Plan = check(path.read_text(), path.name, templates).plan
    begun_at = at = datetime(2026, 1, 1, tzinfo=UTC)
    state = machine.begin(plan, at)
    sizes = []
    while at < begun_at + 3_650 * EVERY:
        told, at = fact(machine.next_command(plan, state), at)
        state = machine.after(plan, state, told, at)
        if isinstance(told, Woke):
            sizes.append(len(msgspec.json.encode(state)))
    assert len(sizes) == 3_650
    assert max(sizes) < 2_500
