"""Splits, which give a person an arm to stay on."""

from uuid import UUID

from application.catalogue import Catalogue
from application.step_decisions import StepDecisions
from domain.journey import bucketing
from domain.journey.requests import BranchRequest
from tests.engine.campaigns import TRIAL
from tests.engine.positions import UNRECORDED_FORK
from tests.harness import Harness, actions, now

ARMS = {"discounted": 45, "plain": 45, "none": 10}
PEOPLE = 20


async def test_each_person_goes_the_arm_that_is_drawn_for_them_and_later_conditions_know_it(harness: Harness) -> None:
    await harness.run_campaign(TRIAL)
    for number in range(PEOPLE):
        await harness.identify(f"u{number}", email=f"u{number}@example.com")
        await harness.track(f"u{number}", "Trial Started")
    await harness.decisions.until(PEOPLE, kind="split")
    names = list(ARMS)
    for profile in await harness.query("SELECT id, user_id FROM profiles"):
        handle = await harness.journey(profile["user_id"])
        await harness.rests(handle, "rest")
        await harness.skip(handle, hours=1)
        arm = names[bucketing.assign_arm("offer-2026", str(profile["id"]), ARMS)]
        timeline = await harness.timeline(profile["user_id"])
        assert f"offer: {arm}" in [item["summary"] for item in timeline if item["kind"] == "split"]
        sent = {"discounted": ["mail-discount"], "plain": ["mail-plain"], "none": []}
        assert [item["step"] for item in timeline if item["kind"] == "message"] == sent[arm]
        [row] = await harness.until("SELECT stage FROM profiles WHERE id = %s AND stage IS NOT NULL", profile["id"])
        assert row["stage"] == arm
    stages = await harness.query("SELECT stage, count(*) FROM profiles GROUP BY stage")
    # Everybody on one arm of the two large ones: two cases in ten million.
    assert len(stages) > 1


async def test_a_split_costs_one_action(harness: Harness) -> None:
    await harness.run_campaign(TRIAL.replace("discounted: 45, plain: 45, none: 10", "discounted: 0, plain: 0, none: 1"))
    await harness.track("u1", "Trial Started")
    handle = await harness.journey("u1")
    await harness.rests(handle, "rest")
    await harness.skip(handle, hours=1)
    await harness.rests(handle, "again")
    await harness.skip(handle, hours=1)
    assert await handle.result() == "completed"
    # Start, split, two delays with the search attributes of each, branch, stage, and the end.
    assert actions(await handle.fetch_history()) == 9


async def test_a_split_that_is_asked_for_again_is_answered_the_same_and_recorded_once(harness: Harness) -> None:
    await harness.run_campaign(TRIAL)
    await harness.track("u1", "Trial Started")
    await harness.decisions.until(kind="split")
    [row] = await harness.query(
        "SELECT journeys.id, answer FROM journeys JOIN decisions ON journey_id = journeys.id WHERE kind = 'split'"
    )
    branches = StepDecisions(harness.database, Catalogue(), "UTC")
    fork = BranchRequest(UUID(str(row["id"])), "offer", now(), {"offer": 1}, UNRECORDED_FORK)
    assert [await branches.choose(fork) for _ in range(3)] == [row["answer"]["case"]] * 3
    # In a later round of a repetition it is another question with the same answer.
    assert (
        await branches.choose(BranchRequest(fork.journey_id, "offer", now(), {"offer": 2}, UNRECORDED_FORK))
        == row["answer"]["case"]
    )
    assert len(await harness.decisions.all(kind="split")) == 2


async def test_one_seed_sends_a_person_the_same_way_in_two_campaigns(harness: Harness) -> None:
    await harness.run_campaign(TRIAL)
    await harness.run_campaign(TRIAL.replace("key: trial", "key: other"))
    await harness.run_campaign(TRIAL.replace("key: trial", "key: third").replace("seed: offer-2026, ", ""))
    for number in range(PEOPLE):
        await harness.track(f"u{number}", "Trial Started")
    await harness.decisions.until(3 * PEOPLE, kind="split")
    rows = await harness.decisions.all(kind="split")
    drawn = {
        key: {one["profile_id"]: one["outcome"] for one in rows if one["campaign_key"] == key}
        for key in ("trial", "other", "third")
    }
    assert drawn["trial"] == drawn["other"]
    assert drawn["trial"] != drawn["third"]


async def test_a_merge_keeps_the_arm_that_a_person_took_before_they_logged_in(harness: Harness) -> None:
    """The user is known, so the anonymous profile is merged into theirs; only the anonymous one has taken an arm."""
    await harness.run_campaign(TRIAL)
    await harness.run_campaign(TRIAL.replace("key: trial", "key: other").replace("Trial Started", "Other Started"))
    people = range(PEOPLE // 2)
    for number in people:
        await harness.identify(f"u{number}", plan="free")
        await harness.post("track", {"anonymousId": f"a{number}", "event": "Trial Started"})
    await harness.decisions.until(len(people), kind="split")
    for number in people:
        await harness.post("identify", {"userId": f"u{number}", "anonymousId": f"a{number}"})
        await harness.track(f"u{number}", "Other Started")
    rows = await harness.decisions.until(2 * len(people), kind="split")
    arms = {
        key: {row["user_id"]: row["outcome"] for row in rows if row["campaign_key"] == key}
        for key in ("trial", "other")
    }
    assert arms["trial"] == arms["other"]
    assert arms["trial"].keys() == {f"u{number}" for number in people}
