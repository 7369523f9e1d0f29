"""People are imported: each row once, as history that nothing hears."""

from typing import Any

import httpx
from fastapi import FastAPI

from tests.api.fakes import WRITE_KEY
from tests.api.live import client_of


def row(id: str, user: str, at: str = "2026-01-02T00:00:00Z", **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "messageId": id, "userId": user, "traits": traits, "timestamp": at}


async def send(client: httpx.AsyncClient, id: str, *rows: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post(f"/v1/imports/{id}", json={"batch": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_row_counts_once_an_import_and_the_later_statement_holds(
    live: FastAPI, operator: httpx.AsyncClient
) -> None:
    rows = [row("1", "u-1", plan="free"), row("2", "u-1", plan="pro", timezone="GMT+2"), row("3", "undefined")]
    answer = await send(operator, "crm", *rows)
    assert (answer["accepted"], answer["duplicates"], answer["unnamed"]) == (2, 0, 0)
    assert [one["index"] for one in answer["rejected"]] == [2]
    assert [(one["index"], one["part"]) for one in answer["left_out"]] == [(1, "traits.timezone")]
    again = await send(operator, "crm", *rows, row("4", "u-2", plan="free"))
    assert (again["accepted"], again["duplicates"]) == (1, 2)
    # Another import may use the same ids; what it says is older.
    other = await send(operator, "erp", row("1", "u-1", at="2025-01-01T00:00:00Z", plan="old", city="Bonn"))
    assert (other["accepted"], other["duplicates"]) == (1, 0)
    # A client's messageId is its own.
    async with client_of(live, WRITE_KEY) as tracker:
        answer = (await tracker.post("/v1/batch", json={"batch": [row("1", "u-1", seats=1)]})).json()
        assert answer == {"success": True}

    person = (await operator.get("/v1/users/u-1")).json()
    shown = {name: (one["value"], one["source"], one["by"]) for name, one in person["traits"].items()}
    by = "SOJOURN_ADMIN_KEY"
    assert shown == {
        "plan": ("pro", "import", by),
        "city": ("Bonn", "import", by),
        "seats": (1, "event", "default"),
    }
    items = (await operator.get("/v1/users/u-1/timeline")).json()["items"]
    assert [item["summary"] for item in items if item["kind"] == "event"][:2] == [f"imported by {by}"] * 2
    log = (await operator.get("/v1/audit-log", params={"target": "crm"})).json()["entries"]
    assert [entry["action"] for entry in log] == ["users.import"]


async def test_an_import_takes_only_identifies_of_an_operator(live: FastAPI, operator: httpx.AsyncClient) -> None:
    call = {"type": "track", "event": "Order Completed", "userId": "u-1"}
    answer = await operator.post("/v1/imports/crm", json={"batch": [row("1", "u-1"), call]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert (await operator.get("/v1/users/u-1")).status_code == 404
    assert (await operator.post("/v1/imports/crm", content=b"{")).json()["code"] == "malformed_json"
    async with client_of(live, WRITE_KEY) as tracker:
        assert (await tracker.post("/v1/imports/crm", json={"batch": []})).status_code == 403


CAMPAIGN = """\
key: grown
name: Grown
entry: {changed: profile.traits.plan}
steps: [{id: rest, delay: 1h}]
"""


async def test_an_operators_change_starts_journeys_and_an_import_none(operator: httpx.AsyncClient) -> None:
    body = {"file": "grown.yaml", "source": CAMPAIGN, "templates": {}}
    assert (await operator.post("/v1/campaigns", json=body)).status_code == 201
    assert (await operator.post("/v1/campaigns/grown/start")).status_code == 200
    await send(operator, "crm", *(row(f"{number}", f"u-{number}", plan="free") for number in range(3)))
    await send(operator, "crm", row("9", "u-1", plan="team"))
    assert (await operator.get("/v1/journeys")).json()["journeys"] == []
    answer = await operator.patch("/v1/users/u-1", json={"traits": {"plan": "pro"}})
    [journey] = answer.json()["active_journeys"]
    assert (journey["campaign"], journey["user_id"]) == ("grown", "u-1")
