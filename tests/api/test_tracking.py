import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from application import turns
from domain.tracking.decode import MAX_BATCH_BYTES
from tests.api.fakes import FakeServices

CALLS: dict[str, dict[str, Any]] = {
    "track": {"userId": "u", "event": "Cart Abandoned"},
    "identify": {"userId": "u", "traits": {"email": "ada@example.com"}},
    "page": {"anonymousId": "a"},
    "screen": {"userId": "u", "name": "Basket"},
    "group": {"userId": "u", "groupId": "g"},
    "alias": {"userId": "u", "previousId": "a"},
}


def a_batch(*items: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"batch": items or [{"type": "track", "userId": "u", "event": "Cart Abandoned", "messageId": "m"}], **rest}


@pytest.mark.parametrize("kind", CALLS)
async def test_each_single_call_is_taken(tracker: httpx.AsyncClient, services: FakeServices, kind: str) -> None:
    answer = await tracker.post(f"/v1/{kind}", json=CALLS[kind])
    assert (answer.status_code, answer.json()) == (200, {"success": True})
    assert [event.type for event in services.ingest.events] == [kind]


async def test_a_bad_single_call_is_refused_and_kept_as_reject(
    tracker: httpx.AsyncClient, services: FakeServices
) -> None:
    answer = await tracker.post("/v1/track", json={"userId": "u", "messageId": "m"})
    assert answer.status_code == 400
    assert answer.json()["detail"] == "a track needs event, a non-empty string"
    assert [reject.message_id for reject in services.ingest.rejects] == ["m"]


async def test_a_bad_item_is_named_and_the_others_go_in(tracker: httpx.AsyncClient, services: FakeServices) -> None:
    good = {"type": "page", "userId": "u", "messageId": "m-0"}
    answer = await tracker.post(
        "/v1/batch", json=a_batch(good, {"type": "tarck", "messageId": "m-1"}, good | {"messageId": "m-2"})
    )
    assert answer.status_code == 200
    [rejected] = answer.json()["rejected"]
    assert (rejected["index"], rejected["messageId"]) == (1, "m-1")
    assert "must be one of track" in rejected["error"]
    assert [event.message_id for event in services.ingest.events] == ["m-0", "m-2"]
    assert [reject.index for reject in services.ingest.rejects] == [1]


async def test_the_calls_of_a_batch_are_decoded_by_turns(
    tracker: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that its length does not stop the event loop for others."""
    monkeypatch.setattr(turns, "TURN_SECONDS", 0)

    async def rounds_of_the_loop(calls: int) -> int:
        rounds = 0
        batch = a_batch(*({"type": "page", "userId": "u"} for _ in range(calls)))
        posting = asyncio.create_task(tracker.post("/v1/batch", json=batch))
        while not posting.done():
            await asyncio.sleep(0)
            rounds += 1
        assert (await posting).json() == {"success": True}
        return rounds

    assert await rounds_of_the_loop(1_001) - await rounds_of_the_loop(1) >= 1_000


async def test_a_batch_of_bad_items_alone_is_no_failure(tracker: httpx.AsyncClient) -> None:
    answer = await tracker.post("/v1/batch", json=a_batch({}, {"type": "page"}))
    assert answer.status_code == 200
    assert len(answer.json()["rejected"]) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-encoding": "gzip"},
        {"content-type": "text/plain"},
        {"content-type": "application/json", "content-encoding": "identity"},
        {"content-type": "application/x-www-form-urlencoded"},
    ],
)
@pytest.mark.parametrize("is_zipped", [True, False])
async def test_the_body_counts_and_not_its_label(
    tracker: httpx.AsyncClient, services: FakeServices, headers: dict[str, str], is_zipped: bool
) -> None:
    body = json.dumps(a_batch()).encode()
    answer = await tracker.post("/v1/batch", content=gzip.compress(body) if is_zipped else body, headers=headers)
    assert answer.status_code == 200
    assert [event.message_id for event in services.ingest.events] == ["m"]


async def test_a_gzip_bomb_is_too_large(tracker: httpx.AsyncClient, services: FakeServices) -> None:
    answer = await tracker.post("/v1/batch", content=gzip.compress(b" " * 50_000_000))
    assert answer.status_code == 413
    assert answer.json()["code"] == "payload_too_large"
    assert services.ingest.calls == 0


async def test_a_cut_gzip_says_so(tracker: httpx.AsyncClient) -> None:
    answer = await tracker.post("/v1/batch", content=gzip.compress(b'{"batch": []}' * 10)[:-9])
    assert answer.status_code == 400
    assert "ends too early" in answer.json()["detail"]


async def test_reading_stops_at_the_limit(tracker: httpx.AsyncClient) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 65_536
            yield b" " * 65_536

    answer = await tracker.post("/v1/batch", content=endless())
    assert answer.status_code == 413
    assert sent <= MAX_BATCH_BYTES + 2 * 65_536


async def test_a_declared_length_beyond_the_limit_is_refused_unread(tracker: httpx.AsyncClient) -> None:
    answer = await tracker.post("/v1/batch", content=b"{}", headers={"content-length": "99999999"})
    assert answer.status_code == 413


async def test_a_single_call_may_have_32_kilobytes(tracker: httpx.AsyncClient) -> None:
    call = CALLS["track"] | {"properties": {"text": "x" * 33_000}}
    answer = await tracker.post("/v1/track", json=call)
    assert answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"not json", b'{"batch": 3}', b'{"batch": [', b"\xff\xfe"])
async def test_a_body_that_is_no_batch_is_explained(tracker: httpx.AsyncClient, body: bytes) -> None:
    answer = await tracker.post("/v1/batch", content=body)
    assert answer.status_code == 400
    assert 'the body must be a JSON object like {"batch"' in answer.json()["detail"]


async def test_an_empty_batch_is_fine(tracker: httpx.AsyncClient) -> None:
    assert (await tracker.post("/v1/batch", json={"batch": []})).json() == {"success": True}
