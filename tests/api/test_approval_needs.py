"""A change that may reach many more people waits for another person."""

import asyncio
from datetime import UTC, datetime, timedelta

from application.audience_schedule import AudienceRuns, Recurrence
from application.campaign_life import CampaignLife
from application.catalogue import Catalogue
from domain.campaign.life import describe
from tests.api.approval_office import ABOVE, PEOPLE, Office, audience, document, office

__all__ = ["office"]  # fixtures

EVENT = "key: {key}\nname: Cart\nentry: {{event: Cart Abandoned}}\nsteps: [{{id: rest, delay: {rest}}}]\n"
AGAIN = ', again: {every: day, at: "09:00"}'
MONDAY = datetime(2026, 11, 2, 9, tzinfo=UTC)


async def test_few_people_need_one_person(office: Office) -> None:
    await office.know(ABOVE)
    await office.know(PEOPLE, plan="team", prefix="t")
    await office.publish(audience())
    answer = await office.move("Ada", "start")
    assert (answer.status_code, answer.json()["state"], answer.json()["approval"]) == (200, "running", None)


async def test_people_of_an_event_are_those_of_the_last_month(office: Office) -> None:
    await office.know(PEOPLE, event="Cart Abandoned")
    await office.know(PEOPLE, prefix="v", event="Order Completed")
    await office.publish(EVENT.format(key="news", rest="1h"))
    assert (await office.waits("Ada"))["people"] == PEOPLE
    await office.query("UPDATE events SET recorded_at = recorded_at - interval '31 days' RETURNING 1")
    assert (await office.move("Ada", "start")).status_code == 200


async def test_another_version_of_a_running_campaign_waits(office: Office) -> None:
    """Also among many documents, whose others take effect, and with journeys that would migrate."""
    await office.know(1)
    for key in ("news", "other"):
        await office.publish(audience(key))
        assert (await office.move("Ada", "start", key=key)).status_code == 200
    await office.know(PEOPLE)
    few = audience("other", plan="none")
    foreseen = {"people": PEOPLE, "above": ABOVE}
    assert await office.foresees("news", audience(rest="31d")) == foreseen
    assert await office.foresees("other", few) is None
    body = {"campaigns": [document(audience(rest="31d")), document(few)]}
    answer = await office.people["Ada"].post("/v1/apply", json=body)
    assert answer.status_code == 202, answer.text
    waiting, done = answer.json()["applied"]
    assert (waiting["plan"]["approval"], done["plan"]["approval"]) == (foreseen, None)
    assert (waiting["version"], waiting["created"], waiting["approval"]["version"]) == (2, True, 2)
    assert (done["version"], done["approval"], (await office.campaign("other"))["running_version"]) == (2, None, 2)
    assert (await office.campaign())["running_version"] == 1
    # Applied once more, it is still the same request.
    answer = await office.move("Ada", "apply", document(audience(rest="31d")))
    assert (answer.status_code, answer.json()["approval"]) == (202, waiting["approval"])
    # Nor does a start go around it.
    assert (await office.waits("Ada", body={"version": 2}))["id"] == waiting["approval"]["id"]
    assert (await office.decide("Bob", waiting["approval"])).status_code == 200
    assert (await office.campaign())["running_version"] == 2
    # It runs by now: nobody more is reached.
    assert await office.foresees("news", audience(rest="31d")) is None
    assert (await office.move("Ada", "start")).status_code == 200


async def test_journeys_that_migrate_are_people_as_well(office: Office) -> None:
    await office.publish(EVENT.format(key="news", rest="30d"))
    assert (await office.move("Ada", "start")).status_code == 200
    await office.know(PEOPLE, event="Cart Abandoned")
    source = EVENT.format(key="news", rest="31d").replace("Cart Abandoned", "Never Seen")
    assert (await office.move("Ada", "apply", document(source))).status_code == 200
    foreseen = {"people": PEOPLE, "above": ABOVE}
    assert await office.foresees("news", source.replace("31d", "32d"), in_flight="migrate") == foreseen
    approval = await office.waits("Ada", body={"in_flight": "migrate"})
    assert approval["people"] == PEOPLE


async def test_a_version_that_was_never_approved_is_not_resumed_alone(office: Office) -> None:
    await office.publish(audience())
    assert (await office.move("Ada", "start")).status_code == 200
    assert (await office.move("Ada", "pause")).status_code == 200
    await office.know(PEOPLE)
    # A version takes effect, while nothing is sent.
    assert await office.foresees("news", audience(rest="31d")) is None
    assert (await office.move("Ada", "apply", document(audience(rest="31d")))).status_code == 200
    approval = await office.waits("Ada", "resume")
    assert (approval["action"], approval["version"], (await office.campaign())["state"]) == ("resume", 2, "paused")
    assert (await office.decide("Bob", approval)).status_code == 200
    assert (await office.campaign())["state"] == "running"
    # Approved once, it pauses and goes on, until it may reach far more.
    assert (await office.move("Ada", "pause")).status_code == 200
    assert (await office.move("Ada", "resume")).status_code == 200
    await office.know(3 * PEOPLE, prefix="v")
    assert (await office.move("Ada", "pause")).status_code == 200
    assert (await office.waits("Ada", "resume"))["people"] == 4 * PEOPLE


async def test_a_campaign_that_has_grown_until_its_schedule_begins_waits(office: Office) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    await office.publish(audience() + f"schedule: {{starts_at: {soon:%Y-%m-%dT%H:%M:%SZ}}}\n")
    assert (await office.move("Ada", "start")).json()["state"] == "scheduled"
    await office.know(PEOPLE)
    life = CampaignLife(office.database, office.gate)
    result = await life.advance("news", soon)
    [pending] = result.approvals
    assert (result.state, result.look_again_at, pending.people) == ("scheduled", pending.expires_at, PEOPLE)
    assert f"begin: waits for the approval of another person, for up to {PEOPLE} people" in describe(result)
    approval = (await office.campaign())["approval"]
    assert (approval["action"], approval["requested_by"]) == ("begin", "Ada")
    assert await life.advance("news", soon + timedelta(hours=1)) == result
    assert (await office.decide("Ada", approval)).json()["code"] == "same_person"
    assert (await office.decide("Bob", approval)).status_code == 200
    assert (await life.advance("news", soon)).state == "running"


async def test_an_expired_beginning_is_asked_again_and_a_rejected_one_stops(office: Office) -> None:
    soon = datetime.now(UTC) + timedelta(days=1)
    await office.publish(audience() + f"schedule: {{starts_at: {soon:%Y-%m-%dT%H:%M:%SZ}}}\n")
    assert (await office.move("Ada", "start")).json()["state"] == "scheduled"
    await office.know(PEOPLE)
    life = CampaignLife(office.database, office.gate)
    first = await life.advance("news", soon)
    await office.query("UPDATE approvals SET expires_at = now() RETURNING 1")
    second = await life.advance("news", soon)
    assert second.approvals != first.approvals
    approval = (await office.campaign())["approval"]
    assert (await office.decide("Bob", approval, "reject")).status_code == 200
    assert (await life.advance("news", soon)).state == "ended"


class NoSchedules:
    async def keep(self, campaign_key: str, recurrence: Recurrence, now: datetime) -> None:
        """Keep none."""

    async def remove(self, campaign_key: str) -> None:
        """Remove none."""


async def test_an_audience_that_has_grown_waits_before_it_enters_again(office: Office) -> None:
    await office.know(ABOVE)
    await office.publish(audience(again=AGAIN))
    assert (await office.move("Ada", "start")).status_code == 200
    runs = AudienceRuns(office.database, Catalogue(), NoSchedules(), "UTC", office.gate)
    assert await runs.begin("news", MONDAY) is not None
    await office.query("UPDATE operations SET state = 'done', finished_at = now() RETURNING 1")
    await office.know(PEOPLE, prefix="v")
    tuesday, wednesday, thursday = (MONDAY + timedelta(days=number) for number in (1, 2, 3))
    # As an activity is repeated, and in two workers at once.
    assert await asyncio.gather(*(runs.begin("news", tuesday) for _ in range(4))) == [None] * 4
    first = (await office.campaign())["approval"]
    assert (first["action"], first["people"], first["requested_by"]) == ("enter", ABOVE + PEOPLE, "Ada")
    assert first["parameters"] == {"run": "2026-11-03"}
    # The next run takes its place.
    assert await runs.begin("news", wednesday) is None
    second = (await office.campaign())["approval"]
    assert (await office.state_of(first), second["parameters"]) == ("outdated", {"run": "2026-11-04"})
    assert (await office.decide("Bob", second)).status_code == 200
    runs_of = await office.query("SELECT audience_run FROM operations ORDER BY id")
    assert [row["audience_run"] for row in runs_of] == ["2026-11-02", "2026-11-04"]
    assert await runs.begin("news", wednesday) is None
    # So many were approved.
    assert await runs.begin("news", thursday) is not None
