"""How many people a start or a resumption may reach, and whether it would wait, is said before it is asked for."""

from typing import Any

import pytest

from tests.api.approval_office import ABOVE, PEOPLE, Office, audience, document, office

__all__ = ["office"]  # a fixture


async def foresee(office: Office, key: str = "news", **query: Any) -> Any:
    answer = await office.people["Cyd"].get(f"/v1/campaigns/{key}/reach", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(autouse=True)
async def reader(office: Office) -> None:
    await office.hire("Cyd", "read")


async def test_a_start_does_as_was_foreseen(office: Office) -> None:
    await office.publish(audience())
    assert await foresee(office) == {"version": 1, "people": 0, "approval": None}
    await office.know(PEOPLE)
    foreseen = await foresee(office)
    assert foreseen == {"version": 1, "people": PEOPLE, "approval": {"people": PEOPLE, "above": ABOVE}}
    # It changes nothing, and asks nobody.
    assert (await office.campaign())["approval"] is None
    approval = await office.waits("Ada")
    assert (approval["people"], approval["version"]) == (PEOPLE, 1)
    await office.decide("Bob", approval)
    # Users enter by the version already.
    assert (await foresee(office))["approval"] is None
    assert (await office.move("Ada", "start")).status_code == 200
    await office.publish(audience(rest="31d"))
    assert (await foresee(office, version=2))["approval"] == {"people": PEOPLE, "above": ABOVE}
    assert (await foresee(office, version=1))["approval"] is None
    moved = await foresee(office, version=2, in_flight="migrate")
    assert (await office.waits("Ada", body={"version": 2, "in_flight": "migrate"}))["people"] == moved["people"]


async def test_a_resumption_does_as_was_foreseen(office: Office) -> None:
    await office.publish(audience())
    assert (await office.move("Ada", "start")).status_code == 200
    assert (await office.move("Ada", "pause")).status_code == 200
    assert (await foresee(office, action="resume"))["approval"] is None
    await office.know(PEOPLE)
    assert (await office.move("Ada", "apply", document(audience(rest="31d")))).status_code == 200
    foreseen = await foresee(office, action="resume")
    assert (foreseen["version"], foreseen["approval"]) == (2, {"people": foreseen["people"], "above": ABOVE})
    assert (await office.waits("Ada", "resume"))["people"] == foreseen["people"]


async def test_what_cannot_be_foreseen_is_refused(office: Office) -> None:
    await office.publish(audience())
    for query, status, code in (
        ({"version": 9}, 404, "not_found"),
        ({"action": "resume"}, 409, "conflict"),
        ({"action": "stop"}, 400, "invalid_request"),
        ({"version": 0}, 400, "invalid_request"),
        ({"in_flight": "lose"}, 400, "invalid_request"),
    ):
        answer = await office.people["Cyd"].get("/v1/campaigns/news/reach", params=query)
        assert (answer.status_code, answer.json()["code"]) == (status, code), query
    answer = await office.people["Cyd"].get("/v1/campaigns/none/reach")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
