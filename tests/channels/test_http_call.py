"""Calls of an API: each failure is known to be before or after the hand-over, and no reply ends a message wrongly."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from gzip import compress

import pytest

from channels.http_call import MAX_REPLY_BYTES, HttpCalls, HttpReply, judge
from channels.retry_after import read_epoch
from domain.sending.delivery import ACCOUNT, Accepted, Ambiguous, Delivery, Rejected, Unavailable
from tests.channels.servers import HANG_UP, TIME_OUT, Receiver, answer, listening, server_tls, trusting_tls

NOW = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
# No test waits for so long, however busy the machine is.
PATIENCE = 60.0
BODY = b'{"to": "ana@example.com"}'


@asynccontextmanager
async def calls(port: int) -> AsyncIterator["Api"]:
    opened = HttpCalls("account", seconds=PATIENCE, tls_context=trusting_tls())
    try:
        yield Api(opened, port)
    finally:
        await opened.close()


class Api:
    """The account of a server, which is called as a provider calls it."""

    def __init__(self, calls: HttpCalls, port: int) -> None:
        self.calls = calls
        self.url = f"http://127.0.0.1:{port}/v1/messages"

    async def post(self, url: str = "") -> Delivery:
        headers = {"Content-Type": "application/json"}
        return await self.calls.post(url or self.url, content=BODY, headers=headers, read=read)


def read(reply: HttpReply) -> Delivery | None:
    """As a provider reads its own codes."""
    if reply.find_text("code") == "quota":
        return Unavailable(ACCOUNT, "quota")
    if reply.status in (200, 202):
        return Accepted(reply.find_text("ids", 0, "id"))
    return None


async def deliver(reply: bytes | str) -> tuple[Delivery, Receiver]:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port, calls(port) as api:
        return await api.post(), receiver


async def test_the_body_is_posted_and_the_id_is_read() -> None:
    delivery, receiver = await deliver(answer(202, b'{"ids": [{"id": 7}]}'))
    [request] = receiver.requests
    assert (request.line, request.body) == ("POST /v1/messages HTTP/1.1", BODY)
    assert delivery == Accepted("7")


@pytest.mark.parametrize(
    "reply",
    [
        answer(200),
        answer(200, b"<html>"),
        answer(200, b"[]"),
        answer(200, b'{"ids": {"0": true}}'),
        answer(202, b"x" * (MAX_REPLY_BYTES + 1)),
        answer(200, b"not gzip", Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
    ],
)
async def test_an_acceptance_whose_body_says_nothing_is_one(reply: bytes) -> None:
    assert (await deliver(reply))[0] == Accepted(None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, Ambiguous) for status in (500, 501, 502, 504, 599)),
        *((status, Unavailable) for status in (301, 307, 401, 402, 403, 408, 425, 429, 503)),
        *((status, Rejected) for status in (400, 404, 410, 413, 422)),
    ],
)
async def test_each_status_has_one_meaning(status: int, kind: type[Delivery]) -> None:
    delivery, _ = await deliver(answer(status, b"ana@example.com"))
    assert isinstance(delivery, kind)
    assert "ana@example.com" not in repr(delivery)
    if isinstance(delivery, Unavailable):
        assert (delivery.reason == ACCOUNT) == (status in (301, 307, 401, 402, 403))


async def test_no_reply_is_decoded_that_some_bytes_could_make_endless() -> None:
    bomb = compress(compress(bytes(10 * MAX_REPLY_BYTES)))
    delivery, receiver = await deliver(answer(200, bomb, Content_Encoding="gzip, gzip"))
    assert delivery == Accepted(None)
    assert receiver.requests[0].headers["accept-encoding"] == "identity"
    read_it, _ = await deliver(answer(200, compress(b'{"ids": [{"id": 7}]}'), Content_Encoding="gzip"))
    assert read_it == Accepted(None)


async def test_a_secret_that_no_header_can_hold_is_the_account_s_fault(refused_port: int) -> None:
    async with calls(refused_port) as api:
        headers = {"Authorization": "Bearer se\u0441ret"}
        delivery = await api.calls.post(api.url, content=BODY, headers=headers, read=read)
    assert isinstance(delivery, Unavailable)
    assert delivery.reason == ACCOUNT


async def test_what_a_reply_sets_goes_with_no_other_message() -> None:
    receiver = Receiver(answer(200, b"{}", Set_Cookie="session=of-ana; Path=/"))
    async with listening(receiver.talk) as port, calls(port) as api:
        for _ in range(2):
            assert await api.post() == Accepted(None)
    assert [request.headers.get("cookie") for request in receiver.requests] == [None, None]


async def test_a_provider_reads_its_own_codes_first() -> None:
    assert (await deliver(answer(400, b'{"code": "quota"}')))[0] == Unavailable(ACCOUNT, "quota")


async def test_a_failure_before_the_body_delivered_nothing(refused_port: int) -> None:
    async with calls(refused_port) as api:
        assert await api.post() == Unavailable("connection", "ConnectError")


async def test_a_handshake_that_breaks_off_delivered_nothing() -> None:
    async def hang_up(*_: object) -> None:
        return

    async with listening(hang_up) as port, calls(port) as api:
        assert isinstance(await api.post(f"https://127.0.0.1:{port}/"), Unavailable)


async def test_a_certificate_that_is_not_trusted_delivered_nothing() -> None:
    receiver = Receiver(answer(200))
    async with listening(receiver.talk, server_tls()) as port:
        opened = HttpCalls("account", seconds=PATIENCE)
        assert isinstance(await Api(opened, port).post(f"https://127.0.0.1:{port}/"), Unavailable)
        await opened.close()
    assert receiver.requests == []


@pytest.mark.parametrize("reply", [HANG_UP, TIME_OUT])
async def test_a_failure_after_the_body_is_ambiguous(reply: str) -> None:
    delivery, receiver = await deliver(reply)
    assert len(receiver.requests) == 1
    assert isinstance(delivery, Ambiguous)


async def test_connections_are_kept() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len(BODY))
            writer.write(answer(200, json.dumps({"ids": [{"id": "a"}]}).encode()))
            await writer.drain()

    async with listening(talk) as port, calls(port) as api:
        assert [await api.post() for _ in range(5)] == [Accepted("a")] * 5
    assert connections == 1


@pytest.mark.parametrize(
    "reply",
    [answer(429, Retry_After="120"), answer(200, RateLimit_Remaining="0", RateLimit_Reset="60")],
)
async def test_an_account_that_has_to_pause_is_not_called(reply: bytes) -> None:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port, calls(port) as api:
        await api.post()
        paused = await api.post()
    assert isinstance(paused, Unavailable)
    assert paused.reason == "busy"
    assert 0 < (paused.retry_after or 0) <= 120
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "86400"}, 300),
        ({"retry-after": "Mon, 02 Nov 2026 10:30:30 GMT"}, 30),
        ({"retry-after": "Mon, 02 Nov 2026 09:30:30 GMT"}, 0),
        ({"retry-after": "Mon, 02 Nov 2027 10:30:30 GMT"}, 300),
        ({"retry-after": "soon"}, None),
    ],
)
def test_a_retry_is_at_most_five_minutes_away(headers: Mapping[str, str], seconds: float | None) -> None:
    delivery = judge(HttpReply(503, headers), NOW)
    assert isinstance(delivery, Unavailable)
    assert delivery.retry_after == seconds


@pytest.mark.parametrize(
    ("value", "seconds"), [(None, None), ("x", None), (f"{NOW.timestamp() + 9:.0f}", 9), ("1", 0), ("9999999999", 300)]
)
def test_an_epoch_is_seconds_since_1970(value: str | None, seconds: float | None) -> None:
    assert read_epoch(value, NOW) == seconds


@pytest.mark.parametrize(
    ("reply", "failure"),
    [(answer(200), None), (answer(401), ACCOUNT), (answer(404), ACCOUNT), (answer(503), "http_503")],
)
async def test_a_check_says_why_the_account_cannot_send(reply: bytes, failure: str | None) -> None:
    receiver = Receiver(reply)
    async with listening(receiver.talk) as port, calls(port) as api:
        found = await api.calls.get(api.url, headers={})
    assert (found and found.reason) == failure
    assert [request.line for request in receiver.requests] == ["GET /v1/messages HTTP/1.1"]


async def test_a_silent_account_does_not_take_all_places() -> None:
    """Fifty calls wait for an account that does not answer; the next one is put off."""
    reached = asyncio.Event()
    waiting = 0

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        nonlocal waiting
        await reader.readuntil(b"\r\n\r\n")
        waiting += 1
        if waiting == 50:
            reached.set()
        await asyncio.Event().wait()

    async with listening(silent) as port, calls(port) as api:
        tasks = [asyncio.create_task(api.post()) for _ in range(50)]
        async with asyncio.timeout(PATIENCE):
            await reached.wait()
        refused = await api.post()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(refused, Unavailable)
    assert refused.reason == "receiver_busy"


def test_the_members_of_a_reply_are_found_in_one_reading() -> None:
    reply = HttpReply(400, body=b"[" + b"0," * 30_000 + b'{"id": 7}]')
    # To read it anew for each would take minutes.
    assert [found for number in range(30_001) if (found := reply.find_text(number, "id"))] == ["7"]
    assert reply.json is reply.json


def test_a_reply_that_is_nested_beyond_reading_has_no_members() -> None:
    reply = HttpReply(200, body=b'{"id": "1", "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert reply.find("id") is None
    assert reply.find_text("id") is None
