import re

import httpx
import psycopg
import psycopg.errors
import psycopg_pool
import pytest
from structlog.testing import capture_logs

from domain.errors import UnavailableError
from tests.api.fakes import FakeServices

CALL = {"userId": "u-secret", "event": "Cart Abandoned"}


def assert_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == f"/problems/{code}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["message"] == problem["detail"]


async def test_not_found(admin: httpx.AsyncClient) -> None:
    answer = await admin.get("/v1/campaigns/none")
    assert_problem(answer, 404, "not_found")
    assert answer.json()["campaign"] == "none"


async def test_no_such_path(anyone: httpx.AsyncClient) -> None:
    assert_problem(await anyone.get("/v2/nothing"), 404, "no_such_path")


async def test_method_not_allowed(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.get("/v1/batch")
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/v1/segments/plan", "POST"), ("/v1/segments/vip", "GET, PUT, DELETE"), ("/v1/journeys/exit", "POST")],
)
async def test_a_path_that_is_written_out_has_methods_of_its_own(
    anyone: httpx.AsyncClient, path: str, methods: str
) -> None:
    answer = await anyone.patch(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, methods)


async def test_conflict_tells_the_state(admin: httpx.AsyncClient) -> None:
    await admin.post("/v1/campaigns", json={"file": "a.yaml", "source": "key: a", "templates": {}})
    answer = await admin.post("/v1/campaigns/a/stop")
    assert_problem(answer, 409, "conflict")
    assert answer.json()["state"] == "draft"


async def test_a_bad_document_has_all_of_its_problems(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/campaigns", json={"file": "a.yaml", "source": "broken", "templates": {}})
    assert_problem(answer, 422, "invalid_document")
    first, second = answer.json()["problems"]
    assert first == {
        "file": "a.yaml",
        "line": 4,
        "path": "steps[0].delay",
        "message": "30x is no duration",
        "suggestion": "Write 30m or 2h.",
    }
    assert second["line"] == 7


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"file": "a.yaml", "source": 3, "templates": {}},
        {"file": "a.yaml", "source": "key: a", "templates": {}, "tempaltes": {}},
        {"file": "a.yaml", "source": "key: \0", "templates": {}},
        {"file": "a.yaml", "source": "key: a", "templates": {"a.liquid": "\0"}},
    ],
)
async def test_a_body_of_another_shape_is_refused(admin: httpx.AsyncClient, body: object) -> None:
    answer = await admin.post("/v1/campaigns", json=body)
    assert_problem(answer, 400, "invalid_request")
    assert all(fault["path"].startswith("body.") for fault in answer.json()["errors"])


@pytest.mark.parametrize(
    ("path", "body", "fault"),
    [
        ("/v1/campaigns", [], "Input should be an object"),
        ("/v1/campaigns", {"file": "a", "source": "key: a", "templates": []}, "Input should be an object"),
        ("/v1/keys", {"name": "a", "scopes": "read"}, "Input should be an array"),
    ],
)
async def test_faults_are_in_the_words_of_json(admin: httpx.AsyncClient, path: str, body: object, fault: str) -> None:
    answer = await admin.post(path, json=body)
    assert_problem(answer, 400, "invalid_request")
    assert [told["message"] for told in answer.json()["errors"]] == [fault]


async def test_a_refused_value_is_not_repeated(admin: httpx.AsyncClient) -> None:
    answer = await admin.put("/v1/frequency-caps", json={"file": "a", "source": ["private"]})
    assert_problem(answer, 400, "invalid_request")
    assert "private" not in answer.text


async def test_json_that_is_none(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/campaigns", content=b"{", headers={"content-type": "application/json"})
    assert_problem(answer, 400, "malformed_json")


async def test_json_that_is_no_text(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/v1/campaigns", content=b'"\xff"', headers={"content-type": "application/json"})
    assert_problem(answer, 400, "malformed_json")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain; charset=utf-8", None])
async def test_a_body_that_is_not_said_to_be_json(admin: httpx.AsyncClient, kind: str | None) -> None:
    answer = await admin.post("/v1/campaigns", content=b"{}", headers={"content-type": kind} if kind else {})
    assert_problem(answer, 415, "unsupported_media_type")


async def test_an_admin_body_is_bounded(admin: httpx.AsyncClient) -> None:
    body = {"file": "a.yaml", "source": "x" * 5_000_000, "templates": {}}
    answer = await admin.post("/v1/campaigns", json=body)
    assert_problem(answer, 413, "payload_too_large")
    assert answer.json()["limit"] == 4 * 1024 * 1024


@pytest.mark.parametrize(
    "failure",
    [
        psycopg.OperationalError("connection to 10.0.0.1 refused"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg_pool.PoolTimeout("no connection to 10.0.0.1 in time"),
    ],
)
async def test_a_database_that_is_away_asks_to_come_again(
    tracker: httpx.AsyncClient, services: FakeServices, failure: Exception
) -> None:
    services.ingest.failure = failure
    answer = await tracker.post("/v1/track", json=CALL)
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "10.0.0.1" not in answer.text


async def test_what_is_unavailable_says_when_to_come_again(tracker: httpx.AsyncClient, services: FakeServices) -> None:
    services.ingest.failure = UnavailableError("busy", retry_after=7)
    answer = await tracker.post("/v1/track", json=CALL)
    assert_problem(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "7"


async def test_the_unexpected_is_an_incident_in_the_log(tracker: httpx.AsyncClient, services: FakeServices) -> None:
    services.ingest.failure = RuntimeError("internals")
    with capture_logs() as logs:
        answer = await tracker.post("/v1/track", json=CALL)
    assert_problem(answer, 500, "internal")
    assert "internals" not in answer.text
    entry, request = logs
    assert entry["incident"] == answer.json()["incident"]
    assert entry["incident"] in answer.json()["detail"]
    assert entry["path"] == "/v1/track"
    assert (request["route"], request["status"]) == ("/v1/track", 500)


async def test_the_log_of_an_incident_names_no_user(admin: httpx.AsyncClient, services: FakeServices) -> None:
    services.explain.items = [object()]  # type: ignore[list-item]
    with capture_logs() as logs:
        answer = await admin.get("/v1/users/ada@example.com/timeline")
    assert_problem(answer, 500, "internal")
    assert logs[0]["path"] == "/v1/users/{user_id:path}/timeline"


async def test_an_id_that_is_none_is_refused_by_saying_so(admin: httpx.AsyncClient) -> None:
    """Not as a path that there is not."""
    paths = (await admin.get("/openapi.json")).json()["paths"]
    of_ids = [
        path
        for path, methods in paths.items()
        if [one["schema"].get("format") for one in methods.get("get", {}).get("parameters", []) if one["in"] == "path"]
        == ["uuid"]
    ]
    assert "/v1/journeys/{id}" in of_ids
    for path in of_ids:
        answer = await admin.get(re.sub("{.*}", "none", path))
        assert_problem(answer, 400, "invalid_request")
        assert "Input should be a valid UUID" in answer.json()["detail"], path
