"""Accounts are shown with the source of each value, and their members in pages."""

from typing import Any

import httpx
from fastapi import FastAPI

from tests.api.fakes import WRITE_KEY
from tests.api.live import client_of


async def test_an_account_is_shown_with_its_members(live: FastAPI, operator: httpx.AsyncClient) -> None:
    calls: list[dict[str, Any]] = [
        {"type": "group", "userId": f"u-{number}", "groupId": "a/b", "traits": {"plan": "team", "role": role}}
        for number, role in enumerate(["admin", "viewer", "viewer"])
    ]
    calls += [
        {"type": "group", "anonymousId": "d-1", "groupId": "a/b"},
        {"type": "group", "userId": "u-1", "groupId": "other", "traits": {"role": 7, "seats": 3}},
    ]
    async with client_of(live, WRITE_KEY) as client:
        answer = (await client.post("/v1/batch", json={"batch": calls})).json()
    assert [one["part"] for one in answer["leftOut"]] == ["traits.role"]
    for path in ("/v1/accounts/a%2Fb", "/v1/accounts/a/b"):
        account = (await operator.get(path)).json()
        assert (account["id"], account["members"]) == ("a/b", 4)
        stated = account["traits"]["plan"]
        assert account["traits"].keys() == {"plan"}
        assert (stated["value"], stated["source"], stated["by"]) == ("team", "event", "default")
    found: list[dict[str, Any]] = []
    after = None
    while True:
        params = {"limit": 2, **({"after": after} if after else {})}
        page = (await operator.get("/v1/accounts/a%2Fb/members", params=params)).json()
        found += page["members"]
        if (after := page["next"]) is None:
            break
    assert [(one["user_id"], one["anonymous_id"], one["role"]) for one in found] == [
        *(("u-0", None, "admin"), ("u-1", None, "viewer"), ("u-2", None, "viewer"), (None, "d-1", None))
    ]
    viewers = (await operator.get("/v1/accounts/a/b/members", params={"role": "viewer"})).json()["members"]
    assert [one["user_id"] for one in viewers] == ["u-1", "u-2"]
    person = (await operator.get("/v1/users/u-1")).json()
    assert [(one["id"], one["role"]) for one in person["accounts"]] == [("other", None), ("a/b", "viewer")]
    for path in ("/v1/accounts/none", "/v1/accounts/none/members"):
        assert (await operator.get(path)).json()["code"] == "not_found"
