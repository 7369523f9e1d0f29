"""What a client may do to the process by connections alone, without a key: attacks, against a real process."""

import asyncio
from contextlib import suppress

import pytest

from api.http_protocol import MAX_HEAD_BYTES, MAX_PIPELINED
from tests.api.fakes import WRITE_KEY
from tests.api.live import ApiProcess, api_process
from tests.api.wire import PATIENCE, VISITOR, Answer, request, resident, wires

# What an attack sends at most, and what the process may grow by meanwhile: a tenth of it.
ATTACK_BYTES = 48 * 1024 * 1024
MAX_GROWTH = ATTACK_BYTES // 10 // 1024
PIECE = 64 * 1024
HEALTH = request("/healthz", method="GET")
CHUNKED = request("/v1/track", "Transfer-Encoding: chunked")


HEADERS = b"x-a: y\r\n" * (PIECE // 8)
ENDLESS = {
    "headers": (b"GET /healthz HTTP/1.1\r\n", HEADERS),
    "a header's name": (b"GET /healthz HTTP/1.1\r\n", b"x" * PIECE),
    "a header's value": (b"GET /healthz HTTP/1.1\r\nx: ", b"y" * PIECE),
    "a path": (b"GET /", b"z" * PIECE),
    "trailers": (CHUNKED + b"1\r\n{\r\n0\r\n", HEADERS),
    "a trailer": (CHUNKED + b"1\r\n{\r\n0\r\nx: ", b"y" * PIECE),
    "a chunk's extension": (CHUNKED + b"1;x=", b"y" * PIECE),
}


@pytest.mark.parametrize("what", ENDLESS)
async def test_nothing_around_a_body_is_without_end(served: ApiProcess, what: str) -> None:
    beginning, piece = ENDLESS[what]
    before = resident(served)
    async with wires(served, 1) as [wire]:
        await wire.send(beginning)
        answering = asyncio.create_task(wire.answer())
        for _ in range(ATTACK_BYTES // PIECE):
            if answering.done() or not await wire.send(piece):
                break
            await asyncio.sleep(0)
        answer = await answering
        assert (answer.status, answer.json["code"]) == (431, "headers_too_large")
        assert answer.headers["connection"] == "close"
        assert await wire.is_closed()
    assert resident(served) - before < MAX_GROWTH
    async with wires(served, 1, VISITOR) as [other]:
        await other.send(HEALTH)
        assert (await other.answer()).status == 200


@pytest.mark.takes_long
async def test_who_does_not_go_on_is_left(database_url: str) -> None:
    """All at once, since each takes as long as it is given."""
    async with api_process(database_url) as api, wires(api, 4) as [silent, begun, dripping, idle]:
        await begun.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")
        await idle.send(HEALTH)
        assert (await idle.answer()).status == 200
        await idle.send(b"GET /healthz HTTP/1.1\r\n")
        await dripping.send(b"GET /healthz HTTP/1.1\r\n")

        async def drip() -> bool:
            for _ in range(int(PATIENCE)):
                if not await dripping.send(b"x: y\r\n"):
                    return True
                await asyncio.sleep(1)
            return False

        left = await asyncio.gather(silent.is_closed(), begun.is_closed(), idle.is_closed(), drip())
        assert all(left), left


@pytest.mark.takes_long
async def test_whoever_opens_connections_without_end_keeps_out_nobody_else(database_url: str) -> None:
    most, many = 20, 100
    async with api_process(database_url, max_connections=most) as api, wires(api, many) as attack:
        for wire in attack:
            await wire.send(b"GET /healthz HTTP/1.1\r\n")
        for _ in range(10):
            async with wires(api, 1, VISITOR) as [visitor]:
                await visitor.send(HEALTH)
                assert (await visitor.answer()).status == 200
        ended = [asyncio.create_task(wire.is_closed()) for wire in attack]
        for number, end in enumerate(asyncio.as_completed(ended), 1):
            assert await end
            if number == many - most:
                break


async def test_of_requests_sent_ahead_a_bounded_number_is_answered(served: ApiProcess) -> None:
    """A client sends those that were not answered again (RFC 9112, 9.3.2)."""
    async with wires(served, 1) as [wire]:
        await wire.send(HEALTH * 2_000)
        answers: list[Answer] = []
        with suppress(EOFError):
            while len(answers) < 2_000:
                answers.append(await wire.answer())
        assert 1 <= len(answers) <= MAX_PIPELINED + 2
        assert {answer.status for answer in answers} == {200}
        assert [answer.headers.get("connection") for answer in answers] == [None] * (len(answers) - 1) + ["close"]


async def test_a_client_that_sends_a_few_ahead_is_served_in_order(served: ApiProcess) -> None:
    async with wires(served, 1) as [wire]:
        for _ in range(3):
            await wire.send(request("/nothing", method="GET") + HEALTH + request("/problems", method="GET"))
            assert [(await wire.answer()).status for _ in range(3)] == [404, 200, 200]


async def test_what_follows_a_body_is_no_header(served: ApiProcess) -> None:
    call = b'{"userId": "u-1", "event": "Visited"}'
    body = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer %b\r\n\r\n" % (len(call), call, WRITE_KEY.encode())
    async with wires(served, 1) as [wire]:
        await wire.send(CHUNKED + body + HEALTH)
        assert (await wire.answer()).status == 401
        assert (await wire.answer()).status == 200


async def test_large_heads_and_bodies_in_small_chunks_are_read(served: ApiProcess) -> None:
    call = b'{"userId": "u-1", "event": "Visited", "properties": {"pad": "%b"}}' % (b"x" * 20_000)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in call) + b"0\r\n\r\n"
    cookie = "Cookie: " + "x" * (MAX_HEAD_BYTES - 1_000)
    async with wires(served, 1) as [wire]:
        head = request("/v1/track", cookie, f"Authorization: Bearer {WRITE_KEY}", "Transfer-Encoding: chunked")
        for _ in range(2):
            await wire.send(head + chunks)
            assert (await wire.answer()).status == 200


async def test_no_other_protocol_is_offered(served: ApiProcess) -> None:
    """As Java's client asks with its first request, which is to be answered as any other."""
    upgrade = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    call = b'{"userId": "u-1", "event": "Visited"}'
    async with wires(served, 1) as [wire]:
        await wire.send(request("/v1/track", *upgrade, f"Authorization: Bearer {WRITE_KEY}", body=call))
        assert (await wire.answer()).status == 200
        await wire.send(HEALTH)
        assert (await wire.answer()).status == 200


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/track HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        CHUNKED + b"zz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"CONNECT sojourn.test:443 HTTP/1.1\r\n\r\n",
    ],
)
async def test_what_is_no_http_is_refused_as_a_problem(served: ApiProcess, data: bytes) -> None:
    async with wires(served, 1) as [wire]:
        await wire.send(data)
        answer = await wire.answer()
        assert (answer.status, answer.json["code"]) == (400, "invalid_request")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert await wire.is_closed()
