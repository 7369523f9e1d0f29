"""The start of a campaign waits until another person has approved it."""

from typing import Any

from tests.api.approval_office import PEOPLE, Office, asked, audience, document, office, raced
from tests.api.live import client_of

__all__ = ["asked", "office"]  # fixtures


async def test_a_start_waits_until_another_person_approves_it(office: Office, asked: dict[str, Any]) -> None:
    assert (asked["campaign"], asked["version"], asked["action"], asked["people"]) == ("news", 1, "start", PEOPLE)
    assert (asked["state"], asked["requested_by"], asked["requested_by_id"]) == ("waiting", "Ada", office.ids["Ada"])
    campaign = await office.campaign()
    assert (campaign["state"], campaign["approval"]) == ("draft", asked)
    assert (await office.root.get("/v1/approvals", params={"state": "waiting"})).json()["approvals"] == [asked]
    assert await office.query("SELECT 1 FROM operations") == []
    answer = await office.decide("Bob", asked)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["state"], answer.json()["decided_by"]) == ("approved", "Bob")
    campaign = await office.campaign()
    assert (campaign["state"], campaign["running_version"], campaign["approval"]) == ("running", 1, None)
    assert await office.query("SELECT kind, requested_by FROM operations") == [{"kind": "enrol", "requested_by": "Ada"}]
    assert await office.actions() == [
        ("campaign.publish", "SOJOURN_ADMIN_KEY"),
        ("approval.request", "Ada"),
        ("approval.approve", "Bob"),
        ("campaign.start", "Ada"),
    ]


async def test_who_may_not_approve(office: Office, asked: dict[str, Any]) -> None:
    """Neither the person who asked, nor a key that made theirs or was made by it, also at second hand."""
    await office.hire("Cyd", by="Ada")
    await office.hire("Dan", by="Cyd")
    for name in ("Ada", "Cyd", "Dan"):
        answer = await office.decide(name, asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), name
    assert (await office.root.post(f"/v1/approvals/{asked['id']}/approve")).json()["code"] == "same_person"
    # The other way round: what the last of the chain asks for, the first may not approve. A revoked link is one.
    assert (await office.root.delete(f"/v1/keys/{office.ids['Cyd']}")).is_success
    await office.publish(audience("more"))
    of_dan = await office.waits("Dan", key="more")
    assert (await office.decide("Ada", of_dan)).json()["code"] == "same_person"
    await office.hire("Eve", "operate")
    answer = await office.decide("Eve", asked)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    await office.hire("Fay", "read", "approve")
    assert (await office.decide("Fay", asked)).status_code == 200
    assert (await office.decide("Bob", of_dan)).status_code == 200


async def test_what_was_changed_meanwhile_needs_another_approval(office: Office, asked: dict[str, Any]) -> None:
    await office.publish(audience(rest="31d"))
    assert await office.state_of(asked) == "outdated"
    assert (await office.campaign())["approval"] is None
    for verb in ("approve", "reject"):
        answer = await office.decide("Bob", asked, verb)
        assert (answer.status_code, answer.json()["code"], answer.json()["state"]) == (
            409,
            "approval_not_waiting",
            "outdated",
        )
    again = await office.waits("Ada")
    assert (again["version"], await office.state_of(asked)) == (2, "outdated")
    assert (await office.decide("Bob", again)).status_code == 200
    assert (await office.campaign())["running_version"] == 2


async def test_a_request_that_is_repeated_is_the_same(office: Office, asked: dict[str, Any]) -> None:
    assert await office.waits("Ada") == await office.waits("Bob") == asked
    other = await office.waits("Ada", body={"in_flight": "exit"})
    assert (other["id"] != asked["id"], await office.state_of(asked)) == (True, "outdated")
    first = await office.move("Ada", "start", **{"Idempotency-Key": "once"})
    repeated = await office.move("Ada", "start", **{"Idempotency-Key": "once"})
    assert (first.status_code, repeated.status_code) == (202, 202)
    assert (repeated.json(), repeated.headers["Idempotent-Replayed"]) == (first.json(), "true")
    approved = await office.decide("Bob", first.json()["approval"], **{"Idempotency-Key": "twice"})
    repeated = await office.decide("Bob", first.json()["approval"], **{"Idempotency-Key": "twice"})
    assert (approved.status_code, repeated.json()) == (200, approved.json())
    answer = await office.decide("Bob", first.json()["approval"])
    assert (answer.status_code, answer.json()["state"]) == (409, "approved")


async def test_an_expired_request_starts_nothing(office: Office, asked: dict[str, Any]) -> None:
    await office.query("UPDATE approvals SET expires_at = now() RETURNING 1")
    assert await office.state_of(asked) == "expired"
    assert "request it again" in (await office.decide("Bob", asked)).json()["detail"]
    again = await office.waits("Ada")
    assert (again["id"] != asked["id"], await office.state_of(asked)) == (True, "expired")


async def test_a_rejected_request_starts_nothing_and_an_own_one_is_taken_back(
    office: Office, asked: dict[str, Any]
) -> None:
    answer = await office.decide("Bob", asked, "reject")
    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert (await office.campaign())["state"] == "draft"
    assert (await office.decide("Bob", asked)).status_code == 409
    again = await office.waits("Ada")
    assert (await office.decide("Ada", again, "reject")).status_code == 200
    listed = (await office.root.get("/v1/approvals", params={"campaign": "news", "limit": 1})).json()
    assert [one["id"] for one in listed["approvals"]] == [again["id"]]
    listed = (await office.root.get("/v1/approvals", params={"campaign": "news", "after": listed["next"]})).json()
    assert [one["id"] for one in listed["approvals"]] == [asked["id"]]


async def test_many_more_people_than_were_approved_need_another_request(office: Office, asked: dict[str, Any]) -> None:
    await office.know(2 * PEOPLE + 1, prefix="v")
    answer = await office.decide("Bob", asked)
    assert (answer.status_code, answer.json()["code"]) == (409, "approval_not_waiting")
    assert (await office.campaign())["state"] == "draft"


async def test_two_approvers_at_once(office: Office, asked: dict[str, Any]) -> None:
    await office.hire("Cyd", "read", "approve")
    answers = await raced(office, office.decide("Bob", asked), office.decide("Cyd", asked))
    assert sorted(one.status_code for one in answers) == [200, 409]
    assert [one["action"] for one in await changes(office)].count("campaign.start") == 1


async def test_approve_beside_reject(office: Office, asked: dict[str, Any]) -> None:
    await office.hire("Cyd", "read", "approve")
    approved, rejected = await raced(office, office.decide("Bob", asked), office.decide("Cyd", asked, "reject"))
    assert sorted((approved.status_code, rejected.status_code)) == [200, 409]
    state = "running" if approved.status_code == 200 else "draft"
    assert (await office.campaign())["state"] == state


async def test_approve_beside_a_change(office: Office, asked: dict[str, Any]) -> None:
    """Either the approved version runs, or the changed campaign waits anew; never another version."""
    published = office.root.post("/v1/campaigns", json=document(audience(rest="31d")))
    approved, changed = await raced(office, office.decide("Bob", asked), published)
    assert changed.status_code == 201
    campaign = await office.campaign()
    running = 1 if approved.status_code == 200 else None
    assert (approved.status_code in (200, 409), campaign["running_version"]) == (True, running)


async def test_start_beside_approve(office: Office, asked: dict[str, Any]) -> None:
    approved, started = await raced(office, office.decide("Bob", asked), office.move("Ada", "start"))
    assert approved.status_code == 200
    # It was approved before, or it waits for the same.
    assert started.status_code == 200 or started.json()["approval"]["id"] == asked["id"]
    assert (await office.campaign())["state"] == "running"
    assert await office.query("SELECT count(*) AS number FROM approvals") == [{"number": 1}]
    assert await office.query("SELECT count(*) AS number FROM operations") == [{"number": 1}]


async def test_starts_at_once_are_one_request(office: Office) -> None:
    await office.know(PEOPLE)
    await office.publish(audience())
    answers = await raced(office, *(office.move(name, "start") for name in ("Ada", "Bob") * 3))
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["approval"]["id"] for one in answers}) == 1


async def test_key_and_session_are_one_person(office: Office, asked: dict[str, Any]) -> None:
    """A key, a session that it opened, and a key that this session made, whichever of them asked."""
    page = await office.log_in("Ada")
    made = await office.people[page].post("/v1/keys", json={"name": "Ada's other", "scopes": ["admin"]})
    office.people["other"] = client_of(office.app, made.json()["token"])
    await office.log_in("other")
    for who in (page, "other", "other's page"):
        answer = await office.decide(who, asked)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), who
    assert (await office.decide(page, asked, "reject")).status_code == 200
    again = await office.waits(page)
    assert (again["requested_by"], again["requested_by_id"]) == ("Ada", office.ids["Ada"])
    for who in ("Ada", "other", "other's page"):
        answer = await office.decide(who, again)
        assert (answer.status_code, answer.json()["code"]) == (403, "same_person"), who
    assert (await office.decide(await office.log_in("Bob"), again)).status_code == 200
    assert (await office.campaign())["state"] == "running"


async def test_sessions_of_two_people_at_once(office: Office, asked: dict[str, Any]) -> None:
    """One of them asked by the key, and all of the other's ways in count once."""
    mine = await office.log_in("Ada")
    theirs = [await office.log_in("Bob"), await office.log_in("Bob"), "Bob"]
    answers = await raced(office, office.decide(mine, asked), *(office.decide(each, asked) for each in theirs))
    # The other person may have been first.
    assert answers[0].json()["code"] in ("same_person", "approval_not_waiting")
    decided = (await office.root.get(f"/v1/approvals/{asked['id']}")).json()
    assert (decided["state"], decided["decided_by"]) == ("approved", "Bob")
    assert sorted(one.status_code for one in answers[1:]) == [200, 409, 409]
    assert [one["action"] for one in await changes(office)].count("campaign.start") == 1


async def changes(office: Office) -> list[dict[str, Any]]:
    return await office.query("SELECT action, actor_name FROM audit_log ORDER BY id")
