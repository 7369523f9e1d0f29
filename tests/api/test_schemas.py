import httpx
import pytest

from domain.document_schemas import NAMES, document_schema


@pytest.mark.parametrize("name", NAMES)
async def test_schemas_are_served_without_a_key(anyone: httpx.AsyncClient, name: str) -> None:
    answer = await anyone.get(f"/v1/schemas/{name}.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/schema+json"
    assert answer.json() == document_schema(name)


async def test_there_are_no_others(anyone: httpx.AsyncClient) -> None:
    answer = await anyone.get("/v1/schemas/template.json")
    assert answer.status_code == 404
    listed = "campaign, segment, frequency-caps, events, computed, lifecycle, rfm, retention, places, providers"
    assert answer.json()["detail"].endswith(
        f"; there are {listed}, audiences, senders, topics, replies, page-triggers, scenarios"
    )
