"""Conditions ask for the topics that a person is subscribed to: in segments, branches, exits and audiences."""

from typing import Any

import pytest

from tests.engine.test_topics import TOPICS, put_topics, subscribe
from tests.harness import Harness

SEGMENT = """
key: readers
name: Readers
where: '"letters" in profile.subscriptions.email && !("offers" in profile.subscriptions.email)'
"""
BRANCHING = """
key: branching
name: Branching
entry: {event: Signed Up, reentry: always}
steps:
  - id: reads
    branch: [{when: '"news" in profile.subscriptions.email', do: [{exit: reads}]}]
  - {exit: other}
"""
MEMBERS = "SELECT user_id FROM segment_members JOIN profiles ON profiles.id = profile_id ORDER BY user_id"


async def put_segment(harness: Harness, source: str = SEGMENT) -> None:
    await harness.admin("PUT", "/v1/segments/readers", {"file": "readers.yaml", "source": source})


async def members(harness: Harness) -> list[str]:
    return [row["user_id"] for row in await harness.query(MEMBERS)]


async def confirm(harness: Harness, user: str, topic: str) -> None:
    """As an operator states it."""
    await harness.admin("PATCH", f"/v1/users/{user}", {"consent": {"topics": {topic: {"email": True}}}})


async def test_a_segment_follows_the_subscriptions_and_their_confirmation(harness: Harness) -> None:
    await put_topics(harness)
    await put_segment(harness)
    await subscribe(harness, "u1", {"letters": {"email": True}})
    assert await members(harness) == []
    await confirm(harness, "u1", "letters")
    assert await members(harness) == ["u1"]
    # A call that repeats the yes takes no confirmation away; another topic, and a refusal, do.
    await subscribe(harness, "u1", {"letters": {"email": True}})
    assert await members(harness) == ["u1"]
    await subscribe(harness, "u1", {"offers": {"email": True}})
    assert await members(harness) == []
    await subscribe(harness, "u1", {"offers": {"email": False}})
    assert await members(harness) == ["u1"]
    await subscribe(harness, "u1", {"letters": {"email": False}})
    assert await members(harness) == []


async def test_another_document_judges_everyone_anew(harness: Harness) -> None:
    await put_topics(harness)
    await put_segment(harness)
    await subscribe(harness, "u1", {"letters": {"email": True}})
    assert await members(harness) == []
    assert (await put_topics(harness, TOPICS.replace(", default: double", ""))).is_success
    await harness.until("SELECT 1 FROM segment_members HAVING count(*) = 1")
    assert await members(harness) == ["u1"]


async def test_a_preview_and_a_later_segment_count_whom_the_condition_holds_for(harness: Harness) -> None:
    await put_topics(harness)
    for user, is_reader in (("u1", True), ("u2", False), ("u3", True)):
        await subscribe(harness, user, {"news": {"email": is_reader}})
    await harness.identify("u4", email="u4@example.com")
    where = '"news" in profile.subscriptions.email'
    preview = await harness.admin("POST", "/v1/segments/preview", {"where": where})
    assert sorted(one["user_id"] for one in preview["examples"]) == ["u1", "u3"]
    await put_segment(harness, f"key: readers\nname: Readers\nwhere: '{where}'\n")
    await harness.until("SELECT 1 FROM segment_members HAVING count(*) = 2")
    assert await members(harness) == ["u1", "u3"]


async def test_a_branch_an_exit_and_an_audience_ask_for_a_topic(harness: Harness) -> None:
    await put_topics(harness)
    await harness.run_campaign(BRANCHING)
    for user, is_reader in (("u1", True), ("u2", False)):
        await subscribe(harness, user, {"news": {"email": is_reader}})
        await harness.track(user, "Signed Up")
        assert (await harness.ended(user))["outcome"] == ("reads" if is_reader else "other")
    waiting = """
key: waiting
name: Waiting
entry: {audience: {where: '"news" in profile.subscriptions.email'}}
exit: [{event: Came, where: '!("news" in profile.subscriptions.email)'}]
steps: [{id: rest, delay: 30d}]
"""
    await harness.run_campaign(waiting)
    [entered] = await harness.journeys.until(campaign_key="waiting")
    assert entered["user_id"] == "u1"
    await harness.track("u1", "Came")
    assert (await harness.journeys.one(campaign_key="waiting"))["state"] == "active"
    await subscribe(harness, "u1", {"news": {"email": False}})
    await harness.track("u1", "Came")
    assert (await harness.journeys.one(campaign_key="waiting"))["state"] == "exited"


def problems_of(answer: Any) -> list[tuple[str, str]]:
    return [(problem["message"], problem["suggestion"]) for problem in answer.json()["problems"]]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('"mews" in profile.subscriptions.email', "there is no topic `mews`"),
        ('"news" in profile.subscriptions.fax', "there is no channel `fax`"),
        ("size(profile.subscriptions.email) > 1", "`profile.subscriptions` can be asked only for a topic on a channel"),
        ("profile.subscriptions.email == []", "`profile.subscriptions` can be asked only for a topic on a channel"),
        ('"email" in profile.subscriptions', "`profile.subscriptions` can be asked only for a topic on a channel"),
    ],
)
async def test_a_condition_about_another_topic_or_channel_is_refused(
    harness: Harness, condition: str, message: str
) -> None:
    await put_topics(harness)
    source = BRANCHING.replace('"news" in profile.subscriptions.email', condition)
    body = {"file": "campaign.yaml", "source": source, "templates": {}}
    [(said, remedy)] = problems_of(await harness.act("POST", "/v1/campaigns", body))
    assert said.startswith(message)
    assert remedy
    segment = {"file": "s.yaml", "source": f"key: s\nname: S\nwhere: '{condition}'\n"}
    [(said, _)] = problems_of(await harness.act("PUT", "/v1/segments/s", segment))
    assert said.startswith(message)


async def test_a_topic_that_a_condition_reads_stays(harness: Harness) -> None:
    await put_topics(harness)
    await put_segment(harness)
    await harness.run_campaign(BRANCHING)
    without = TOPICS.replace("  - {key: news, name: News}\n", "").replace("  - {key: offers", "  - {key: other")
    refused = await put_topics(harness, without)
    assert refused.status_code == 409
    detail = refused.json()["detail"]
    assert "`news` is read by campaign branching (version 1)" in detail
    assert "`offers` is read by segment readers" in detail
    await harness.admin("POST", "/v1/campaigns/branching/stop", {"mode": "drain"})
    await harness.until("SELECT 1 FROM campaigns WHERE state = 'ended'")
    await harness.admin("DELETE", "/v1/segments/readers")
    assert (await put_topics(harness, without)).is_success
    again = await harness.act("POST", "/v1/campaigns/branching/start")
    assert again.status_code == 409
    assert "reads subscribed topics that are no longer there: news" in again.json()["detail"]
