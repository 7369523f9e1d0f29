"""Segments and areas on hold stay while they are: without them, the hold would hold no one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.fakes import WRITE_KEY

CIRCLE: dict[str, Any] = {"point": [53.5, 9.9], "radius": 900}
STORM = {"areas": [{"key": "storm-12", **CIRCLE}]}
# The name of the area is that of a place, and a tag of one.
PLACE = {"places": [{"key": "storm-12", **CIRCLE}]}
TAG = {"places": [{"key": "shop", "tags": ["storm-12"], **CIRCLE}]}
STAGES = {"stages": [{"key": "reach", "when": "true"}, {"key": "known", "when": "profile.user_id != null"}]}
VIP = "key: vip\nname: VIP\nwhere: has(profile.traits.vip)\n"
ORDERS = {"rfm": {"event": "Order Completed", "value": "event.properties.value"}}


async def put(operator: httpx.AsyncClient, path: str, document: object) -> httpx.Response:
    # JSON is YAML.
    source = document if isinstance(document, str) else httpx.Response(200, json=document).text
    return await operator.put(f"/v1/{path}", json={"file": "document.yaml", "source": source})


async def hold(operator: httpx.AsyncClient, **of: str) -> dict[str, Any]:
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    placed = await operator.post("/v1/holds", json={**of, "until": until, "reason": "storm 12"})
    assert placed.status_code == 201, placed.text
    found: dict[str, Any] = placed.json()
    return found


@pytest.mark.parametrize(
    ("path", "document", "of", "without"),
    [
        ("places", STORM, {"area": "storm-12"}, {"areas": []}),
        ("places", STORM, {"area": "storm-12"}, PLACE),
        ("places", STORM, {"area": "storm-12"}, TAG),
        ("lifecycle", STAGES, {"segment": "stage.known"}, {"stages": STAGES["stages"][:1]}),
        ("lifecycle", STAGES, {"segment": "stage.known"}, {"stages": []}),
        ("rfm", ORDERS, {"segment": "rfm.champions"}, {"rfm": {}}),
        ("segments/vip", VIP, {"segment": "vip"}, None),
    ],
)
async def test_it_is_not_removed_before_the_release(
    operator: httpx.AsyncClient, path: str, document: object, of: dict[str, str], without: object
) -> None:
    async def remove() -> httpx.Response:
        return await (operator.delete(f"/v1/{path}") if without is None else put(operator, path, without))

    assert (await put(operator, path, document)).is_success
    placed = await hold(operator, **of)
    refused = await remove()
    assert refused.status_code == 409, refused.text
    assert {"kind": "hold", "key": placed["id"], "version": None} in [
        reader
        for found in (refused.json()["read_by"],)
        for readers in (found.values() if isinstance(found, dict) else [found])
        for reader in readers
    ]
    assert f"read by hold {placed['id']}" in refused.json()["detail"]
    assert (await operator.delete(f"/v1/holds/{placed['id']}")).is_success
    assert (await remove()).is_success


async def test_a_plan_names_the_holds_of_what_it_removes(operator: httpx.AsyncClient) -> None:
    await put(operator, "places", STORM)
    placed = await hold(operator, area="storm-12")
    plan = await operator.post("/v1/places/plan", json={"file": "places.yaml", "source": "areas: []\n"})
    [change] = plan.json()["changes"]
    assert change["read_by"] == [{"kind": "hold", "key": placed["id"], "version": None}]


async def test_a_release_is_not_cancelled(operator: httpx.AsyncClient) -> None:
    body = {"userId": "u1", "event": "Viewed"}
    await operator.post("/v1/track", json=body, headers={"Authorization": f"Bearer {WRITE_KEY}"})
    placed = await hold(operator, user="u1")
    await operator.delete(f"/v1/holds/{placed['id']}")
    [release] = (await operator.get("/v1/operations")).json()["operations"]
    assert release["kind"] == "release"
    refused = await operator.post(f"/v1/operations/{release['id']}/cancel")
    assert refused.status_code == 409
    assert "it cannot be cancelled" in refused.json()["detail"]
