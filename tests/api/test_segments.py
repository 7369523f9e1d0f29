"""Segments over HTTP: definitions, their members, and the export of all."""

import csv
import io
import json
from typing import Any

import httpx
import pytest

from application import segment_members
from tests.api.fakes import WRITE_KEY

KNOWN = {"file": "known.yaml", "source": "key: known\nname: Known\nwhere: profile.user_id != null\n"}
ANYBODY = {"file": "anybody.yaml", "source": "key: anybody\nname: Anybody\nwhere: 'true'\n"}


async def report(operator: httpx.AsyncClient, *users: str) -> None:
    for user in users:
        body = {"anonymousId": user} if user.startswith("a-") else {"userId": user}
        headers = {"Authorization": f"Bearer {WRITE_KEY}"}
        answer = await operator.post("/v1/track", json={**body, "event": "Viewed"}, headers=headers)
        assert answer.status_code == 200


async def test_a_segment_is_put_shown_changed_and_deleted(operator: httpx.AsyncClient) -> None:
    put = await operator.put("/v1/segments/known", json=KNOWN)
    assert (put.status_code, put.headers["etag"]) == (200, '"1"')
    [shown] = put.json()["segments"]
    assert (shown["key"], shown["version"], shown["state"], shown["members"]) == ("known", 1, "ready", 0)
    [change] = put.json()["plan"]["segments"]
    assert (change["kind"], change["version"], change["next_version"]) == ("added", None, 1)
    got = await operator.get("/v1/segments/known")
    assert got.json()["source"] == KNOWN["source"]
    again = await operator.get("/v1/segments/known", headers={"If-None-Match": got.headers["etag"]})
    assert again.status_code == 304
    await report(operator, "u-1")
    assert (await operator.get("/v1/segments/known")).json()["members"] == 1
    other = {**KNOWN, "source": KNOWN["source"] + "on_change: trigger\n"}
    late = await operator.put("/v1/segments/known", json=other, headers={"If-Match": '"7"'})
    assert (late.status_code, late.json()["current"]) == (412, '"1"')
    assert (await operator.put("/v1/segments/known", json=other, headers={"If-Match": got.headers["etag"]})).is_success
    assert (await operator.delete("/v1/segments/known", headers={"If-Match": '"2"'})).status_code == 204
    for answer in (await operator.get("/v1/segments/known"), await operator.delete("/v1/segments/known")):
        assert (answer.status_code, answer.json()["detail"]) == (404, "there is no segment known; apply it first")
    assert (await operator.get("/v1/segments")).json() == {"segments": [], "next": None}


async def test_several_are_applied_together_or_none(operator: httpx.AsyncClient) -> None:
    broken = {"file": "a.yaml", "source": "key: a\nname: A\nwhere: \"'none' in profile.segments\"\n"}
    refused = await operator.post("/v1/segments/apply", json={"segments": [KNOWN, broken]})
    assert refused.status_code == 422
    [problem] = refused.json()["problems"]
    assert (problem["file"], problem["line"], problem["path"]) == ("a.yaml", 3, "where")
    assert (await operator.get("/v1/segments")).json() == {"segments": [], "next": None}
    broken["source"] = broken["source"].replace("none", "known")
    applied = await operator.post("/v1/segments/apply", json={"segments": [broken, KNOWN]})
    assert [each["key"] for each in applied.json()["segments"]] == ["known", "a"]
    plan = await operator.post("/v1/segments/plan", json={"segments": [KNOWN], "removed": ["a"]})
    assert [(each["kind"], each["key"], each["read_by"]) for each in plan.json()["segments"]] == [
        ("unchanged", "known", [{"kind": "segment", "key": "a", "version": 1}]),
        ("removed", "a", []),
    ]
    read = await operator.delete("/v1/segments/known")
    assert (read.status_code, read.json()["read_by"]) == (409, [{"kind": "segment", "key": "a", "version": 1}])


async def test_members_come_in_pages_and_all_at_once(
    operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_members, "EXPORT_PAGE", 2)
    await operator.post("/v1/segments/apply", json={"segments": [KNOWN, ANYBODY]})
    await report(operator, "u-1", "u-2", "u-3", "a-1")
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = await operator.get(
            "/v1/segments/anybody/members", params={"limit": 3, **({"after": after} if after else {})}
        )
        found += page.json()["members"]
        if (after := page.json()["next"]) is None:
            break
    assert [(each["user_id"], each["anonymous_id"]) for each in found] == [
        ("u-1", None),
        ("u-2", None),
        ("u-3", None),
        (None, "a-1"),
    ]
    exported = await operator.get("/v1/segments/anybody/export")
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [(row["id"], row["user_id"], row["anonymous_id"]) for row in rows] == [
        (each["id"], each["user_id"] or "", each["anonymous_id"] or "") for each in found
    ]
    lines = await operator.get("/v1/segments/known/export", params={"format": "ndjson"})
    assert [json.loads(line)["user_id"] for line in lines.text.splitlines()] == ["u-1", "u-2", "u-3"]
    for path in ("members", "export"):
        assert (await operator.get(f"/v1/segments/none/{path}")).status_code == 404
    audit = (await operator.get("/v1/audit-log", params={"target": "anybody"})).json()["entries"]
    assert [each["action"] for each in audit] == ["segment.export", "segment.members", "segment.apply"]


async def test_a_spreadsheet_calculates_nothing_of_an_export(operator: httpx.AsyncClient) -> None:
    await operator.post("/v1/segments/apply", json={"segments": [KNOWN]})
    formulas = ['=HYPERLINK("https://example.com")', "+49170", "-1+1", "@SUM(1)"]
    users = [*formulas, "u-1", "a=b", "'quoted"]
    await report(operator, *users)
    exported = await operator.get("/v1/segments/known/export")
    found = {row["user_id"] for row in csv.DictReader(io.StringIO(exported.text, newline=""))}
    assert found == {*(f"'{user}" for user in formulas), "u-1", "a=b", "'quoted"}
    lines = await operator.get("/v1/segments/known/export", params={"format": "ndjson"})
    assert {json.loads(line)["user_id"] for line in lines.text.splitlines()} == {*users}


async def test_people_are_found_and_shown_by_their_segments(operator: httpx.AsyncClient) -> None:
    await operator.post("/v1/segments/apply", json={"segments": [KNOWN, ANYBODY]})
    await report(operator, "u-1", "a-1", "u-2")
    listed = (await operator.get("/v1/users", params={"segment": "known", "limit": 1})).json()
    rest = (await operator.get("/v1/users", params={"segment": "known", "after": listed["next"]})).json()
    assert [each["user_id"] for each in listed["users"] + rest["users"]] == ["u-2", "u-1"]
    for params, expected in (
        ({"segment": "anybody", "id": "a-1"}, [None]),
        ({"segment": "known", "id": "a-1"}, []),
        ({"segment": "none"}, []),
    ):
        users = (await operator.get("/v1/users", params=params)).json()["users"]
        assert [each["user_id"] for each in users] == expected
    shown = (await operator.get("/v1/users/u-1")).json()["segments"]
    assert [(each["key"], each["name"], each["cause"]["kind"]) for each in shown] == [
        ("anybody", "Anybody", "event"),
        ("known", "Known", "event"),
    ]
    assert shown[0]["since"] is not None
