"""Whatever a client of Segment's or RudderStack's servers does is taken here as it is there."""

import asyncio
import base64
import gzip
import json
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from api.app import create_app
from api.limits import RateLimits
from application.ingest import IngestResult
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY, FakeServices

TRACK = {"userId": "u", "event": "Cart Abandoned", "messageId": "m"}
BATCH = {"batch": [{"type": "track", **TRACK}]}
BASIC = {"Authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}
CALLS: dict[str, dict[str, Any]] = {
    "t": TRACK,
    "i": {"userId": "u"},
    "p": {"userId": "u"},
    "s": {"userId": "u"},
    "g": {"userId": "u", "groupId": "g"},
    "a": {"userId": "u", "previousId": "a"},
    "b": BATCH,
}
TYPES = {"t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": "track"}
FULL_NAMES = {"b": "batch"}


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("path", "letter"),
    [(f"/v1/{letter}", letter) for letter in CALLS]
    + [(f"/v1/{FULL_NAMES.get(letter, type_)}", letter) for letter, type_ in TYPES.items()]
    + [("/v1/import", "b"), ("/beacon/v1/batch", "b")],
)
async def test_each_path_is_a_route(
    anyone: httpx.AsyncClient, services: FakeServices, path: str, letter: str, slash: str
) -> None:
    answer = await anyone.post(path + slash, json=CALLS[letter], headers=BASIC)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [event.type for event in services.ingest.events] == [TYPES[letter]]


@pytest.mark.parametrize("path", ["/v1/t", "/v1/b/", "/v1/import", "/beacon/v1/batch"])
async def test_other_paths_need_a_key_and_have_the_same_methods(anyone: httpx.AsyncClient, path: str) -> None:
    assert (await anyone.post(path, json=BATCH)).json()["code"] == "unauthorized"
    answer = await anyone.get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/v1/x", "/v1/tt", "/v1/t/u", "/t", "/v1//t"])
async def test_no_other_path_is_one(anyone: httpx.AsyncClient, path: str) -> None:
    assert (await anyone.post(path, json=TRACK, headers=BASIC)).json()["code"] == "no_such_path"


@pytest.mark.parametrize(
    ("headers", "query", "body_key", "status"),
    [
        ({}, "", None, 401),
        ({}, "?writeKey=" + WRITE_KEY, None, 200),
        ({}, "?writeKey=wrong", None, 401),
        ({}, "?writeKey=", WRITE_KEY, 200),
        ({}, "?writekey=" + WRITE_KEY, None, 401),
        ({"X-Write-Key": WRITE_KEY}, "", None, 200),
        ({"X-Write-Key": "wrong"}, "", WRITE_KEY, 401),
        ({"X-Write-Key": ""}, "", WRITE_KEY, 200),
        ({"X-Write-Key": ADMIN_KEY}, "", None, 403),
        ({"X-Write-Key": WRITE_KEY}, "?writeKey=wrong", "wrong", 200),
        (BASIC, "?writeKey=wrong", "wrong", 200),
        ({"Authorization": "Bearer wrong"}, "?writeKey=" + WRITE_KEY, WRITE_KEY, 401),
    ],
)
async def test_the_write_key_stands_in_the_header_the_query_or_the_body(
    anyone: httpx.AsyncClient,
    services: FakeServices,
    headers: dict[str, str],
    query: str,
    body_key: str | None,
    status: int,
) -> None:
    body = BATCH if body_key is None else BATCH | {"writeKey": body_key}
    answer = await anyone.post("/v1/batch" + query, json=body, headers=headers)
    assert answer.status_code == status
    assert services.ingest.calls == (status == 200)


@pytest.mark.parametrize("where", ["header", "query"])
async def test_no_other_route_takes_a_key_from_there(anyone: httpx.AsyncClient, where: str) -> None:
    if where == "header":
        answer = await anyone.get("/v1/campaigns", headers={"X-Write-Key": ADMIN_KEY})
    else:
        answer = await anyone.get(f"/v1/campaigns?writeKey={ADMIN_KEY}")
    assert answer.status_code == 401


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": lambda data: zlib.compress(data, wbits=-15),
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("label", ["gzip", "deflate", "identity", None])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
async def test_bodies_come_compressed_and_marked(
    anyone: httpx.AsyncClient, services: FakeServices, path: str, compression: str, label: str | None, mark: bytes
) -> None:
    if compression == "deflate" and label != "deflate":
        return
    text = mark + json.dumps((BATCH if path == "/v1/batch" else TRACK) | {"writeKey": WRITE_KEY}).encode()
    headers = {} if label is None else {"Content-Encoding": label}
    answer = await anyone.post(path, content=COMPRESSIONS[compression](text), headers=headers)
    assert answer.status_code == 200, answer.text
    assert [event.message_id for event in services.ingest.events] == ["m"]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/track"])
@pytest.mark.parametrize("compression", ["gzip", "zlib", "deflate"])
async def test_no_compression_exceeds_the_limit(
    anyone: httpx.AsyncClient, services: FakeServices, path: str, compression: str
) -> None:
    body = COMPRESSIONS[compression](b'{"batch": [' + b" " * 5_000_000)
    answer = await anyone.post(path, content=body, headers=BASIC | {"Content-Encoding": "deflate"})
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert services.ingest.calls == 0


def a_batch_of(size: int) -> bytes:
    """Calls of 30 KB each, so many that the batch has about so many bytes."""
    calls = [
        TRACK | {"type": "track", "messageId": f"m-{number}", "properties": {"text": "x" * 30_000}}
        for number in range(size // 30_100)
    ]
    return json.dumps({"batch": calls}).encode()


async def test_a_batch_of_4_megabytes_is_taken(anyone: httpx.AsyncClient, services: FakeServices) -> None:
    """As RudderStack's clients fill them, if they are told nothing else."""
    body = a_batch_of(4_150_000)
    answer = await anyone.post("/v1/batch", content=body, headers=BASIC)
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert len(services.ingest.events) == 137
    answer = await anyone.post("/v1/batch", content=gzip.compress(body), headers=BASIC)
    assert answer.status_code == 200


@pytest.mark.parametrize("compression", ["plain", "gzip"])
async def test_a_key_in_the_body_alone_opens_half_a_megabyte(
    anyone: httpx.AsyncClient, services: FakeServices, compression: str
) -> None:
    """As sent and decompressed: who it is from is not known before."""
    for size, in_header, status in ((500_000, False, 200), (600_000, False, 413), (600_000, True, 200)):
        body = b'{"writeKey": "' + WRITE_KEY.encode() + b'", ' + a_batch_of(size)[1:]
        headers = BASIC if in_header else {}
        answer = await anyone.post("/v1/batch", content=COMPRESSIONS[compression](body), headers=headers)
        assert answer.status_code == status, answer.text
        if status == 413:
            assert (answer.json()["code"], answer.json()["limit"]) == ("payload_too_large", 512 * 1024)
            assert "as `Authorization: Bearer KEY`" in answer.json()["detail"]
    assert services.ingest.calls == 2


async def test_of_a_body_without_a_known_key_half_a_megabyte_is_read(anyone: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    answer = await anyone.post("/v1/batch", content=endless())
    assert answer.status_code == 413
    assert sent <= 512 * 1024 + 2 * 65_536
    for path in ("/v1/batch", "/v1/campaigns"):
        answer = await anyone.post(path, content=b"{}", headers={"content-length": "600000"})
        assert (answer.status_code, answer.json()["limit"]) == (413, 512 * 1024)


async def test_what_bodies_become_is_bounded_together(
    app: FastAPI, anyone: httpx.AsyncClient, services: FakeServices
) -> None:
    """Twenty bodies of some kilobytes, which are 80 MB once they are decompressed."""
    # So much in a second is more than a key may send, which is another bound.
    app.state.rate_limits = RateLimits(requests=0, events=0, bytes=0)
    body = gzip.compress(a_batch_of(4_150_000))
    assert len(body) < 50_000
    go_on = asyncio.Event()
    held = 0
    answered: list[httpx.Response] = []

    async def held_ingest(*_: Any, **__: Any) -> IngestResult:
        nonlocal held
        held += 1
        if held == 20:
            go_on.set()
        await go_on.wait()
        return IngestResult(1, [])

    async def report() -> None:
        answered.append(await anyone.post("/v1/batch", content=body, headers=BASIC))
        go_on.set()

    services.ingest = held_ingest  # type: ignore[assignment] # what it is asked with is not looked at
    await asyncio.gather(*(report() for _ in range(20)))
    codes = Counter(answer.json().get("code") for answer in answered)
    # All are from one address, which has half of the 64 MB.
    assert codes["overloaded"] >= 1
    assert held == 8
    assert codes[None] == held


async def test_a_deployment_may_take_less(app: FastAPI, anyone: httpx.AsyncClient) -> None:
    app.state.max_batch_bytes = create_app(
        SETTINGS.model_copy(update={"max_batch_bytes": 512_000})
    ).state.max_batch_bytes
    assert (await anyone.post("/v1/batch", content=a_batch_of(500_000), headers=BASIC)).status_code == 200
    for body in (a_batch_of(600_000), gzip.compress(a_batch_of(600_000))):
        answer = await anyone.post("/v1/batch", content=body, headers=BASIC)
        assert (answer.status_code, answer.json()["limit"]) == (413, 512_000)


@pytest.mark.parametrize(
    ("path", "key", "body", "status"),
    [
        ("/v1/batch", None, b"{}", 401),
        ("/v1/batch", "wrong", b"{}", 401),
        ("/v1/batch", ADMIN_KEY, b"{}", 403),
        ("/v1/batch", WRITE_KEY, b"{", 400),
        ("/v1/track", WRITE_KEY, b"{}", 400),
        ("/v1/track", WRITE_KEY, b" " * 40_000, 413),
        ("/v1/nothing", WRITE_KEY, b"{}", 404),
    ],
)
async def test_a_refusal_has_what_python_clients_read(
    anyone: httpx.AsyncClient, path: str, key: str | None, body: bytes, status: int
) -> None:
    answer = await anyone.post(path, content=body, headers={} if key is None else {"X-Write-Key": key})
    assert answer.status_code == status
    problem = answer.json()
    assert problem["code"]
    assert problem["message"] == problem["detail"]
