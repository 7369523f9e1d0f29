"""Audiences at an ad platform: all who are wanted there are, and no others."""

import pytest

from application.erasure import Erasures
from application.merges import Merges
from domain.access import SOJOURN
from domain.errors import ConflictError
from domain.people.identity import PersonRef
from tests.engine.audience_harness import CAMPAIGN, MIRROR, TRIAL, AudienceHarness, harness, trial
from tests.engine.computed_harness import event

__all__ = ["harness", "trial"]  # fixtures

OTHER = CAMPAIGN.replace("key: trial", "key: other").replace("Trial Started", "Other Started")


async def test_a_step_adds_and_an_exit_removes(trial: AudienceHarness) -> None:
    journey = await trial.enter("u1")
    await trial.perform(journey, "in")
    await trial.flush()
    assert trial.at_platform() == trial.people("u1")
    assert trial.server.requests == [("POST", 1)]
    # Nothing is due any more.
    await trial.flush()
    assert trial.server.requests == [("POST", 1)]
    await trial.ingest(event("Subscribed", "u1"))
    await trial.judge()
    assert await trial.members() == {"u1": "exited"}
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.members() == {}


async def test_a_completed_journey_leaves_its_people_in(trial: AudienceHarness) -> None:
    journey = await trial.enter("u1")
    await trial.perform(journey, "in")
    await trial.end(journey, "completed")
    await trial.flush()
    assert trial.at_platform() == trial.people("u1")
    assert await trial.members() == {"u1": None}


async def test_a_step_removes(trial: AudienceHarness) -> None:
    journey = await trial.enter("u1")
    await trial.perform(journey, "in")
    await trial.flush()
    await trial.perform(journey, "out")
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.members() == {}


@pytest.mark.parametrize("ads", [None, False])
async def test_without_consent_nobody_is_added(trial: AudienceHarness, ads: bool | None) -> None:
    """Consent that comes later adds nobody: the step is over."""
    journey = await trial.enter("u1", ads=ads)
    await trial.perform(journey, "in")
    assert await trial.members() == {}
    [decision] = await trial.rows("SELECT outcome, reason, data FROM decisions WHERE kind = 'audience'")
    assert (decision["outcome"], decision["reason"]) == ("refused", "no_consent")
    await trial.identify("u1", consent={"ads": True})
    await trial.flush()
    assert trial.server.requests == []


async def test_a_refusal_of_ads_removes_for_good(trial: AudienceHarness) -> None:
    journey = await trial.enter("u1")
    await trial.perform(journey, "in")
    await trial.flush()
    await trial.identify("u1", consent={"ads": False})
    await trial.judge()
    assert await trial.members() == {"u1": "no_consent"}
    await trial.identify("u1", consent={"ads": True})
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.members() == {}


async def test_an_address_is_followed(trial: AudienceHarness) -> None:
    journey = await trial.enter("u1")
    await trial.perform(journey, "in")
    await trial.flush()
    await trial.identify("u1", email="New@example.com ")
    await trial.flush()
    assert trial.at_platform() == trial.people("new")
    await trial.identify("u1", email=None)
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.members() == {"u1": "no_address"}
    await trial.identify("u1", email="again@example.com")
    await trial.flush()
    assert trial.at_platform() == trial.people("again")


async def test_people_are_found_by_all_identifiers_of_the_audience(trial: AudienceHarness) -> None:
    await trial.put_audiences(TRIAL.replace("'77'", "'77', identifiers: [email, phone, external_id]"))
    journey = await trial.enter("u1")
    await trial.identify("u1", phone="+49 (1512) 3456789")
    await trial.perform(journey, "in")
    await trial.flush()
    assert trial.at_platform() == trial.server.people("u1@example.com", "4915123456789", "u1")
    await trial.identify("u1", phone=None)
    await trial.flush()
    assert trial.at_platform() == trial.server.people("u1@example.com", "u1")


async def test_an_address_of_two_people_stays_for_the_other(trial: AudienceHarness) -> None:
    for user in ("u1", "u2"):
        await trial.perform(await trial.enter(user), "in")
        await trial.identify(user, email="home@example.com")
    await trial.flush()
    await trial.ingest(event("Subscribed", "u1"))
    await trial.flush()
    assert trial.at_platform() == trial.people("home")
    await trial.ingest(event("Subscribed", "u2"))
    await trial.flush()
    assert trial.at_platform() == set()


async def test_the_last_journey_that_wrote_decides(trial: AudienceHarness) -> None:
    await trial.run_campaign(OTHER)
    first = await trial.enter("u1")
    await trial.perform(first, "in")
    await trial.ingest(event("Other Started", "u1"))
    [row] = await trial.rows("SELECT id FROM journeys WHERE campaign_key = 'other'")
    await trial.perform(row["id"], "in")
    await trial.flush()
    await trial.end(first, "exited")
    await trial.flush()
    assert trial.at_platform() == trial.people("u1")


async def test_a_segment_is_mirrored(harness: AudienceHarness) -> None:
    """From before the audience and after it; consent and addresses may come and go."""
    await harness.put(vip='profile.traits.plan == "pro"')
    await harness.identify("u1", email="u1@example.com", plan="pro", consent={"ads": True})
    await harness.identify("u2", email="u2@example.com", plan="pro")
    await harness.mirror()
    await harness.put_documents(MIRROR)
    await harness.identify("u3", email="u3@example.com", plan="pro", consent={"ads": True})
    await harness.mirror()
    await harness.flush()
    assert harness.at_platform() == harness.people("u1", "u3")
    assert await harness.members() == {"u1": None, "u2": "no_consent", "u3": None}
    await harness.identify("u2", consent={"ads": True})
    await harness.identify("u1", plan="free")
    await harness.identify("u3", consent={"ads": False})
    await harness.flush()
    assert harness.at_platform() == harness.people("u2")
    await harness.identify("u1", plan="pro")
    await harness.identify("u3", consent={"ads": True})
    await harness.flush()
    assert harness.at_platform() == harness.people("u1", "u2", "u3")


async def test_an_audience_that_is_gone_is_emptied(harness: AudienceHarness) -> None:
    await harness.put(vip='profile.traits.plan == "pro"')
    await harness.put_documents(MIRROR)
    await harness.identify("u1", email="u1@example.com", plan="pro", consent={"ads": True})
    await harness.mirror()
    await harness.flush()
    assert harness.at_platform() == harness.people("u1")
    await harness.put_audiences("audiences: {}\n")
    await harness.mirror()
    await harness.flush()
    assert harness.at_platform() == set()
    assert await harness.members() == {}


async def test_another_identifier_is_told(harness: AudienceHarness) -> None:
    await harness.put(vip='profile.traits.plan == "pro"')
    await harness.put_documents(MIRROR)
    await harness.identify("u1", email="u1@example.com", plan="pro", consent={"ads": True})
    await harness.mirror()
    await harness.flush()
    await harness.put_audiences(MIRROR.replace("vip}", "vip, identifiers: [external_id]}"))
    await harness.mirror()
    await harness.flush()
    assert harness.at_platform() == harness.server.people("u1")


async def test_what_an_audience_needs_is_kept(trial: AudienceHarness) -> None:
    async def refused(audiences: str) -> str:
        with pytest.raises(ConflictError) as error:
            await trial.put_audiences(audiences)
        return error.value.detail

    assert "`trial-unused` is read by campaign trial (version 1)" in await refused("audiences: {}\n")
    assert "there is no segment `vip`" in await refused(MIRROR)
    assert "is 77 of meta" in await refused(TRIAL.replace("77", "78"))
    assert "there is no account `google`" in await refused(TRIAL.replace("meta", "google"))
    await trial.put(vip='profile.traits.plan == "pro"')
    assert "is read by" in await refused(TRIAL.replace("'77'}", "'77', mirror: vip}"))


async def test_an_erasure_removes_and_leaves_no_hash(trial: AudienceHarness) -> None:
    await trial.perform(await trial.enter("u1"), "in")
    await trial.flush()
    await Erasures(trial.database).request(PersonRef("u1"), by=SOJOURN)
    # As the pages of the erasure delete it, before any flush.
    await trial.rows("DELETE FROM ad_audience_members RETURNING 1")
    assert len(await trial.rows("SELECT 1 FROM ad_audience_leftovers")) == 1
    await trial.flush()
    assert trial.at_platform() == set()
    assert await trial.rows("SELECT 1 FROM ad_audience_leftovers") == []


async def test_people_who_become_one_are_in_once(trial: AudienceHarness) -> None:
    for user in ("u1", "u2"):
        await trial.perform(await trial.enter(user), "in")
    await trial.flush()
    assert trial.at_platform() == trial.people("u1", "u2")
    merged = Merges(trial.database, trial.catalogue)
    await merged.merge("u2", "u1", by=SOJOURN)
    await trial.flush()
    assert trial.at_platform() == trial.people("u2")
    assert await trial.members() == {"u2": None}
    await merged.undo("u2", "u1", by=SOJOURN)
    await trial.flush()
    assert trial.at_platform() == trial.people("u2")
