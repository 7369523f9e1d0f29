"""People are in one stage of the life cycle at a time, and journeys follow their moves."""

from datetime import UTC, datetime, timedelta

import pytest

from application.explain import Explain
from application.step_decisions import StepDecisions
from domain.access import SOJOURN
from domain.errors import ConflictError, InvalidDocumentError, InvalidRequestError
from domain.journey.requests import ActionRequest
from domain.people.identity import PersonRef
from domain.tracking.event import Event
from tests.engine.computed_harness import event
from tests.engine.lifecycle_harness import lifecycle_harness
from tests.engine.positions import UNRECORDED

TRAITS = """
computed:
  orders: {count: Order Completed}
  active: {any: '*', within: 1h}
"""
STAGES = """
stages:
  - {key: reach, when: "true"}
  - {key: conversion, when: profile.computed.orders >= 1}
  - {key: retention, when: profile.computed.orders >= 2}
  - {key: at-risk, when: profile.computed.orders >= 1 && !profile.computed.active}
  - {key: churned, by: hand}
designed: [reach > conversion > retention, retention > at-risk > retention]
aims: {reach: conversion, at-risk: retention}
"""
WIN_BACK = """
key: win-back
name: Win back
stage: at-risk
entry: {stage: at-risk, where: event.properties.before == "conversion", reentry: always}
exit: [{leaves: stage.at-risk}]
steps: [{id: rest, delay: 30d}]
"""


def ordered(user: str = "u1", at: datetime | None = None) -> Event:
    return event("Order Completed", user, at=at)


async def test_a_person_is_in_the_last_stage_that_holds_and_journeys_follow(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        await harness.run_campaign(WIN_BACK)
        await harness.ingest(event("Viewed"))
        assert await harness.stage("u1") == "reach"
        await harness.ingest(ordered())
        assert await harness.stage("u1") == "conversion"
        harness.let_pass(timedelta(hours=2))
        await harness.sweep()
        assert await harness.stage("u1") == "at-risk"
        assert await harness.journeys() == {"u1": "active"}
        later = harness.database.clock.now()
        await harness.ingest(ordered(at=later), at=later)
        assert await harness.stage("u1") == "retention"
        assert await harness.journeys() == {"u1": "exited"}
        assert await harness.changes() == [
            ("u1", "stage.reach", True, "event"),
            ("u1", "stage.reach", False, "event"),
            ("u1", "stage.conversion", True, "event"),
            ("u1", "stage.conversion", False, "time"),
            ("u1", "stage.at-risk", True, "time"),
            ("u1", "stage.at-risk", False, "event"),
            ("u1", "stage.retention", True, "event"),
        ]


async def test_a_stage_by_hand_holds_while_it_is_set(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        changed = "{key: gone, name: Gone, entry: {stage: churned}, exit: [{changed: profile.stage}], steps: [%s]}"
        await harness.run_campaign(changed % "{id: rest, delay: 30d}")
        await harness.ingest(ordered())
        await harness.set_stage("u1", "churned")
        assert await harness.stage("u1") == "churned"
        assert await harness.journeys() == {"u1": "active"}
        # The register holds what was said, whatever is judged.
        await harness.ingest(event(None, "u1", type="identify", plan="pro"))
        await harness.set_stage("u1", None)
        assert await harness.stage("u1") == "conversion"
        assert await harness.journeys() == {"u1": "exited"}
        with pytest.raises(InvalidRequestError, match="`retention` is judged by its condition"):
            await harness.set_stage("u1", "retention")
        with pytest.raises(InvalidRequestError, match=r"no stage `churn`\. Did you mean `churned`"):
            await harness.set_stage("u1", "churn")


async def test_conditions_see_the_judged_stage_which_is_never_written_back(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.ingest(event("Viewed"))
        await harness.set_stage("u1", "trial")
        assert await harness.stage("u1") == "trial"
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        await harness.put(buyers='profile.stage in ["conversion", "retention"]', at_first='profile.stage == "reach"')
        await harness.operate()
        assert (await harness.members())["at_first"] == ["u1"]
        await harness.run_campaign(
            """
            {key: c, name: C, steps: [{id: rest, delay: 30d}], entry: {changed: profile.stage,
             where: 'profile.stage == "conversion" && event.properties.after == "conversion"'}}
            """
        )
        await harness.ingest(ordered())
        members = await harness.members()
        assert (members["buyers"], "at_first" in members) == (["u1"], False)
        assert await harness.entered() == ["u1"]
        await harness.ingest(event(None, "u1", type="identify", plan="pro"))
        assert await harness.stated_stage("u1") == "trial"
        await harness.apply_lifecycle("stages: []\n")
        assert await harness.stage("u1") == "trial"


async def test_another_life_cycle_judges_everyone_and_shows_the_people_of_each_stage(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.ingest(ordered(), event("Viewed", "u2"), event("Viewed", None, anonymous="a1"))
        planned = await harness.plan_lifecycle(STAGES)
        await harness.apply_lifecycle(STAGES)
        shown = {stage["key"]: stage["people"] for stage in (await harness.show_lifecycle()).rules}
        assert {key: people.members.estimate for key, people in planned.people.items()} == shown
        assert shown == {"reach": 2, "conversion": 1, "retention": 0, "at-risk": 0, "churned": 0}
        assert await harness.causes("u1") == ["by version 1 of the definition of stage.conversion"]
        fewer = 'stages: [{key: reach, when: "true"}, {key: known, when: profile.user_id != null}]'
        plan = await harness.plan_lifecycle(fewer)
        assert [(one.kind, one.name) for one in plan.changes] == [
            ("removed", "conversion"),
            ("removed", "retention"),
            ("removed", "at-risk"),
            ("removed", "churned"),
            ("changed", "reach"),
            ("added", "known"),
        ]
        assert {
            key: (people.members.estimate, people.joins.estimate, people.leaves.estimate)
            for key, people in plan.people.items()
        } == {"reach": (1, 0, 1), "known": (2, 2, 0)}
        await harness.apply_lifecycle(fewer)
        assert await harness.stage("u1") == await harness.stage("u2") == "known"
        assert await harness.causes("u1") == ["by version 1 of the definition of stage.known"]
        assert await harness.members() == {"stage.known": ["u1", "u2"], "stage.reach": [None]}


async def test_conditions_are_checked_by_what_the_deployment_has(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(vip="profile.computed.orders >= 3")
        with pytest.raises(InvalidDocumentError) as refused:
            await harness.apply_lifecycle(
                'stages:\n  - {key: reach, when: "true"}\n'
                "  - {key: loyalty, when: profile.computed.order >= 5}\n"
                "  - {key: fans, when: profile.computed.orders >= 1 && 'vips' in profile.segments}\n"
            )
        assert [(problem.line, problem.message) for problem in refused.value.problems] == [
            (3, "there is no computed trait `order` (column 17)"),
            (4, "there is no segment `vips`"),
        ]
        assert "Did you mean `vip`?" in refused.value.problems[1].suggestion


async def test_the_flow_compares_what_is_designed_with_what_is_lived(database_url: str) -> None:
    """u1 to u3 and u5 order again, and u4 goes from the first order to at-risk."""
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        began = datetime.now(UTC)
        harness.set_clock(began)
        await harness.ingest(*(event("Viewed", user, at=began) for user in ("u1", "u2", "u3", "u4")), at=began)
        await harness.ingest(*(ordered(user, at=began) for user in ("u1", "u2", "u3", "u4")), at=began)
        # Two moves of a person in one batch.
        await harness.ingest(event("Viewed", "u5", at=began), ordered("u5", began), ordered("u5", began), at=began)
        later = began + timedelta(minutes=36)
        harness.set_clock(later)
        await harness.ingest(*(ordered(user, later) for user in ("u1", "u2", "u3")), at=later)
        harness.set_clock(began + timedelta(hours=1))
        await harness.sweep()
        flow = await harness.flow(began - timedelta(days=1), began + timedelta(days=1))
        assert [(move.before, move.after, move.people, move.share, move.is_designed) for move in flow.moves] == [
            ("reach", "conversion", 5, 1.0, True),
            ("conversion", "retention", 4, 0.8, True),
            ("conversion", "at-risk", 1, 0.2, False),
            ("retention", "at-risk", 1, 1.0, True),
        ]
        assert flow.entered == {"reach": 5}
        assert flow.moves[1].median_days == pytest.approx(0.025)
        assert [move.text for move in flow.deviations] == ["20 % go conversion > at-risk, drawn nowhere"]
        assert flow.unused == [("at-risk", "retention")]
        assert flow.designed_share == pytest.approx(10 / 11)
        # Another definition moves people, whose life goes on as it was.
        await harness.apply_lifecycle(STAGES.replace("orders >= 2}", "orders >= 1}"))
        after = await harness.flow(began - timedelta(days=1), began + timedelta(days=1))
        assert [(move.before, move.after, move.people) for move in after.moves] == [
            (move.before, move.after, move.people) for move in flow.moves
        ]


async def test_merged_people_have_no_moves_between_their_lives(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        await harness.ingest(event("Viewed"))
        await harness.ingest(ordered())
        await harness.ingest(event("Viewed", None, anonymous="a1"))
        await harness.ingest(event(None, "u1", type="identify", anonymous="a1"))
        assert await harness.stage("u1") == "conversion"
        now = harness.database.clock.now()
        flow = await harness.flow(now - timedelta(days=1), now + timedelta(days=1))
        assert [(move.before, move.after) for move in flow.moves] == [("reach", "conversion")]


async def test_publishing_refuses_stages_that_there_are_not(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        with pytest.raises(InvalidDocumentError) as refused:
            await harness.run_campaign(WIN_BACK)
        assert refused.value.problems[0].message == "there is no life cycle, so that no one moves into a stage"
        assert "sojourn lifecycle apply" in refused.value.problems[0].suggestion
        await harness.run_campaign("{key: a, name: A, entry: {event: X}, steps: [{id: set, set_stage: any}]}")
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        with pytest.raises(InvalidDocumentError) as refused:
            await harness.run_campaign(
                """
key: wrong
name: Wrong
stage: retentoin
entry: {stage: at-rsk, where: profile.stage == "conversoin"}
exit: [{leaves: stage.at-rsk}]
goal: {stage: loyal, within: 7d}
steps:
  - {id: a, set_stage: conversion}
  - {id: b, set_stage: churnd}
  - {id: c, branch: [{when: 'profile.stage in ["reach", "rech"]', do: []}]}
"""
            )
        found = {problem.line: (problem.message, problem.suggestion) for problem in refused.value.problems}
        assert {line: message for line, (message, _) in found.items()} == {
            4: "the life cycle has no stage `retentoin`",
            5: "the life cycle has no stage `conversoin`",
            6: "there is no segment `stage.at-rsk`",
            7: "the life cycle has no stage `loyal`",
            9: "`conversion` is judged by its condition, and cannot be set",
            10: "the life cycle has no stage `churnd`",
            11: "the life cycle has no stage `rech`",
        }
        assert [problem.message for problem in refused.value.problems if problem.line == 5] == [
            "the life cycle has no stage `at-rsk`",
            "the life cycle has no stage `conversoin`",
        ]
        assert "Did you mean `retention`?" in found[4][1]
        assert "a stage by hand: `churned`" in found[9][1]


async def test_a_stage_that_something_reads_cannot_be_removed(database_url: str) -> None:
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.apply_lifecycle(STAGES)
        await harness.run_campaign(WIN_BACK)
        await harness.run_campaign(
            """
            {key: c, name: C, entry: {event: X, where: 'profile.stage in ["reach", "churned"]'},
             steps: [{id: rest, delay: 1d}]}
            """
        )
        await harness.run_campaign(
            """
key: other
name: Other
entry:
  event: X
  where: |
    profile.stage
      in ["conversion"] || "churned" !=
      profile.stage
steps: [{id: rest, delay: 1d}]
"""
        )
        await harness.put(buyers='profile.stage == "retention"')
        fewer = 'stages: [{key: reach, when: "true"}, {key: conversion, when: profile.computed.orders >= 1}]'
        with pytest.raises(ConflictError) as refused:
            await harness.apply_lifecycle(fewer)
        for said in (
            "`at-risk` is read by campaign win-back (version 1)",
            "`churned` is read by campaign c (version 1), campaign other (version 1)",
            "`retention` is read by segment buyers (version 1)",
        ):
            assert said in str(refused.value)
        plan = await harness.plan_lifecycle(fewer)
        assert {one.name: [reader.key for reader in one.read_by] for one in plan.changes if one.read_by} == {
            "at-risk": ["win-back"],
            "churned": ["c", "other"],
            "retention": ["buyers"],
            "reach": ["c"],
            "conversion": ["other"],
        }


@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("churned", None),
        ("retention", "`retention` is judged by its condition, and cannot be set"),
        ("trial", "the life cycle has no stage `trial`"),
    ],
)
async def test_an_older_version_sets_no_stage_that_is_judged(database_url: str, stage: str, said: str | None) -> None:
    """Its journeys go on, and their timeline says why the stage was not set: a stage has one master."""
    async with lifecycle_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.run_campaign(
            f"{{key: a, name: A, entry: {{event: X}}, steps: [{{id: set, set_stage: {stage}}}]}}"
        )
        await harness.ingest(event("X"))
        await harness.apply_lifecycle(STAGES)
        async with harness.database.transaction() as connection:
            [row] = await (await connection.execute("SELECT id FROM journeys")).fetchall()
        now = harness.database.clock.now()
        request = ActionRequest(row["id"], "set", 1, now, None, {"set": 1}, UNRECORDED)
        assert not await StepDecisions(harness.database, harness.catalogue, "UTC").perform(request)
        assert await harness.stated_stage("u1") == (stage if said is None else None)
        assert await harness.stage("u1") == (stage if said is None else "reach")
        explain = Explain(harness.database, harness.catalogue, "{workflow_id}", "UTC")
        timeline = await explain.timeline(PersonRef("u1"), limit=50, before=None, by=SOJOURN)
        [line] = [one.summary for one in timeline.items if one.kind == "set_stage"]
        assert line == (f"set: stage {stage}" if said is None else f"set: stage not set: {said}")
