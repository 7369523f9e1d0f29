"""What stands in every answer of the server, and what none may follow."""

import httpx
import msgspec
import pytest

from api.server import answer_headers
from tests.api.fakes import SETTINGS
from tests.api.live import ApiProcess
from tests.api.wire import Answer, request, wires

REQUESTS = {
    "health": request("/healthz", method="GET"),
    "no such path": request("/nothing", method="GET"),
    "no key": request("/v1/campaigns", method="GET"),
    "another method": request("/healthz", method="DELETE"),
    "a page for people": request("/unsubscribe/x", method="GET"),
    "the document": request("/openapi.json", method="GET"),
    "its page": request("/docs", method="GET"),
    "a script": request("/static-offline-docs/swagger-ui.css", method="GET"),
    "no HTTP": b"hello\r\n\r\n",
}


async def answered(api: ApiProcess, data: bytes) -> Answer:
    async with wires(api, 1) as [wire]:
        await wire.send(data)
        return await wire.answer()


@pytest.mark.parametrize("what", REQUESTS)
async def test_every_answer_is_guarded(served: ApiProcess, what: str) -> None:
    headers = (await answered(served, REQUESTS[what])).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_only_a_public_address_by_https_asks_for_https() -> None:
    assert "Strict-Transport-Security" not in dict(answer_headers(SETTINGS))
    public = SETTINGS.model_copy(update={"public_url": "https://sojourn.example"})
    assert dict(answer_headers(public))["Strict-Transport-Security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/campaigns/",
        "/healthz/",
        "/docs/",
        "/problems/",
        "/static-offline-docs",
        "//evil.example/..",
        "/v1/users/u/",
    ],
)
@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
async def test_no_answer_leads_to_where_the_client_says(served: ApiProcess, path: str, header: str) -> None:
    foreign = b"%b: evil.example\r\n" % header.encode()
    own = b"Host: sojourn.test\r\n"
    data = request(path, method="GET").replace(own, foreign if header == "Host" else own + foreign)
    answer = await answered(served, data)
    assert "location" not in answer.headers
    assert b"evil.example" not in answer.body
    assert answer.status < 500


async def test_the_document_is_made_once(anyone: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anyone may ask for it, at any rate."""
    made: list[object] = []
    encode = msgspec.json.encode

    def counting(value: object) -> bytes:
        made.append(value)
        return encode(value)

    monkeypatch.setattr(msgspec.json, "encode", counting)
    answers = [await anyone.get("/openapi.json") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == len(made) == 1
