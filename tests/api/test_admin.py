from typing import Any

import httpx
import pytest

from domain.errors import Problem
from tests.api.fakes import NOW, FakeServices, TimelineItem

DOCUMENT: dict[str, Any] = {
    "file": "abandoned-cart.yaml",
    "source": "key: abandoned-cart\n",
    "templates": {"cart-nudge.liquid": "Still interested?"},
}


@pytest.fixture
async def published(admin: httpx.AsyncClient) -> httpx.Response:
    return await admin.post("/v1/campaigns", json=DOCUMENT)


async def test_publishing_makes_a_version_and_the_same_again_makes_none(
    admin: httpx.AsyncClient, services: FakeServices, published: httpx.Response
) -> None:
    assert published.status_code == 201
    made = {"key": "abandoned-cart", "version": 1, "created": True, "warnings": [], "fallback_languages": []}
    assert published.json() == made
    assert services.campaigns.templates == DOCUMENT["templates"]
    again = await admin.post("/v1/campaigns", json=DOCUMENT)
    assert (again.status_code, again.json()["created"]) == (200, False)


async def test_publishing_says_what_is_worth_a_second_look(admin: httpx.AsyncClient, services: FakeServices) -> None:
    services.campaigns.warnings = [Problem("a.yaml", 7, "steps[1].send.expires", "it may expire", "Let it live longer")]
    answer = await admin.post("/v1/campaigns", json=DOCUMENT)
    assert answer.status_code == 201
    assert answer.json()["warnings"] == [
        {
            "file": "a.yaml",
            "line": 7,
            "path": "steps[1].send.expires",
            "message": "it may expire",
            "suggestion": "Let it live longer",
        }
    ]


async def test_campaigns_are_listed_and_shown(admin: httpx.AsyncClient, published: httpx.Response) -> None:
    shown = (await admin.get("/v1/campaigns/abandoned-cart")).json()
    assert shown["state"] == "draft"
    assert shown["running_version"] is None
    assert shown["updated_at"] == "2026-11-01T10:00:00Z"
    assert (await admin.get("/v1/campaigns")).json() == {"campaigns": [shown], "next": None}


@pytest.mark.parametrize(
    ("verb", "body", "state"),
    [
        ("start", None, "running"),
        ("start", {}, "running"),
        ("start", {"version": 1}, "running"),
        ("pause", None, "paused"),
        ("resume", None, "running"),
    ],
)
async def test_the_verbs(
    admin: httpx.AsyncClient, published: httpx.Response, verb: str, body: object, state: str
) -> None:
    answer = await admin.post(f"/v1/campaigns/abandoned-cart/{verb}", **({} if body is None else {"json": body}))  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["state"]) == (200, state)


async def test_stop_drains(admin: httpx.AsyncClient, published: httpx.Response) -> None:
    await admin.post("/v1/campaigns/abandoned-cart/start")
    answer = await admin.post("/v1/campaigns/abandoned-cart/stop", json={"mode": "drain"})
    assert (answer.status_code, answer.json()["state"]) == (200, "stopping")


@pytest.mark.parametrize(
    ("verb", "body", "status"),
    [
        ("start", {"version": 2}, 404),
        ("start", {"version": "1"}, 400),
        ("start", {"version": True}, 400),
        ("start", {"version": 0}, 400),
        ("stop", {"mode": "burn"}, 400),
    ],
)
async def test_verbs_refuse(
    admin: httpx.AsyncClient, published: httpx.Response, verb: str, body: object, status: int
) -> None:
    assert (await admin.post(f"/v1/campaigns/abandoned-cart/{verb}", json=body)).status_code == status


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("u-1", "u-1"),
        ("a%2Fb", "a/b"),
        ("a/b", "a/b"),
        ("%2Fa%2F", "/a/"),
        ("ada%40example.com", "ada@example.com"),
        ("a%20b%3F%23", "a b?#"),
        ("a%252Fb", "a%2Fb"),
        ("%C3%BCnal", "ünal"),
        ("x/timeline", "x/timeline"),
        ("x/suppressions/email", "x/suppressions/email"),
    ],
)
async def test_user_ids_of_every_kind(admin: httpx.AsyncClient, services: FakeServices, path: str, user: str) -> None:
    assert (await admin.get(f"/v1/users/{path}/timeline")).json()["user_id"] == user
    for _ in range(2):
        answer = await admin.put(f"/v1/users/{path}/suppressions/email", json={"reason": "asked us"})
        assert (answer.status_code, answer.content) == (204, b"")
    assert services.recipients.suppressed == {(user, "email"): "asked us"}
    assert (await admin.delete(f"/v1/users/{path}/suppressions/email")).status_code == 204
    assert services.recipients.suppressed == {}


@pytest.mark.parametrize("user", ["%00", "x" * 256])
async def test_user_ids_that_cannot_be(admin: httpx.AsyncClient, user: str) -> None:
    assert (await admin.get(f"/v1/users/{user}/timeline")).status_code == 400


async def test_the_timeline(admin: httpx.AsyncClient, services: FakeServices) -> None:
    services.explain.items = [
        TimelineItem(NOW, "send", "nudge: refused", "refused", "abandoned-cart", "j-1", "nudge", "capped", {"limit": 3})
    ]
    answer = await admin.get("/v1/users/u-1/timeline", params={"limit": 5, "before": "cursor"})
    assert services.explain.asked == [("u-1", 5, "cursor")]
    assert answer.json() == {
        "masked": False,
        "user_id": "u-1",
        "items": [
            {
                "at": "2026-11-01T10:00:00Z",
                "kind": "send",
                "summary": "nudge: refused",
                "outcome": "refused",
                "campaign": "abandoned-cart",
                "journey_id": "j-1",
                "step": "nudge",
                "reason": "capped",
                "data": {"limit": 3},
                "url": None,
                "changes": [],
            }
        ],
        "now": [],
        "next": None,
    }


@pytest.mark.parametrize("limit", ["0", "501", "many"])
async def test_the_timeline_has_bounds(admin: httpx.AsyncClient, limit: str) -> None:
    assert (await admin.get("/v1/users/u-1/timeline", params={"limit": limit})).status_code == 400


async def test_caps_are_shown_and_replaced(admin: httpx.AsyncClient) -> None:
    assert (await admin.get("/v1/frequency-caps")).json()["version"] == 0
    answer = await admin.put("/v1/frequency-caps", json={"file": "caps.yaml", "source": "rules: [x]"})
    assert (answer.status_code, answer.json()["version"]) == (200, 1)
    refused = await admin.put("/v1/frequency-caps", json={"file": "caps.yaml", "source": "broken"})
    assert refused.json()["problems"][0]["path"] == "rules[0].limit"


async def test_readiness_says_which_part_is_not(anyone: httpx.AsyncClient, services: FakeServices) -> None:
    assert (await anyone.get("/readyz")).json()["status"] == "ok"
    services.parts["migrations"] = "at 0001, wants 0002"
    answer = await anyone.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["parts"] == {"database": "ok", "migrations": "at 0001, wants 0002"}
