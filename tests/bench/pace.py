"""Requests at a steady pace from a process of their own, which costs next to nothing: it shares the processors."""

import asyncio
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from itertools import cycle
from typing import Self
from urllib.parse import urlsplit

import msgspec

# Stands in a request for the time at which it is sent.
TIME = b"0000-00-00T00:00:00.000000+00:00"
BEGIN, END = b"b", b"e"
# For the last answers of a round. Seconds.
ANSWER_SECONDS = 60.0
_SIZE = struct.Struct(">Q")


class Plan(msgspec.Struct):
    """The requests and their pace. `is_endless` repeats them; without it they must suffice."""

    host: str
    port: int
    connections: int
    a_second: float
    requests: list[bytes]
    is_endless: bool


class Round(msgspec.Struct):
    """The requests of one round that were sent and answered, and its seconds."""

    sent: int
    seconds: float


class Pace:
    """The process, as its parent has it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, requests: Sequence[bytes], *, connections: int, a_second: float, is_endless: bool = False
    ) -> AsyncIterator[Self]:
        """Start the process, which ends with the block."""
        parts = urlsplit(url)
        plan = Plan(parts.hostname or "", parts.port or 80, connections, a_second, list(requests), is_endless)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        pace = cls(process)
        try:
            body = msgspec.msgpack.encode(plan)
            await pace._tell(_SIZE.pack(len(body)) + body)
            yield pace
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()

    @asynccontextmanager
    async def beside(self) -> AsyncIterator[list[Round]]:
        """Send as long as the block runs; the list has the round afterwards.

        Raises RuntimeError if an answer is a refusal.
        """
        found: list[Round] = []
        await self._tell(BEGIN)
        await self._hear()
        yield found
        await self._tell(END)
        found.append(await self._hear())

    async def _tell(self, text: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(text)
        await self._process.stdin.drain()

    async def _hear(self) -> Round:
        assert self._process.stdout is not None
        if not (line := await self._process.stdout.readline()):
            raise RuntimeError("the process that sends requests has failed; it says why above")
        return msgspec.json.decode(line, type=Round)


class _Connection:
    """One connection, with one request at a time."""

    def __init__(self, plan: Plan) -> None:
        self.socket = socket.create_connection((plan.host, plan.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answer = b""

    def send(self, request: bytes) -> None:
        self.socket.sendall(request)
        self._answer = b""

    def receive(self) -> bool:
        """Take what has come; return whether it ends the answer. Raises RuntimeError."""
        came = self.socket.recv(65_536)
        self._answer += came
        head, is_whole, body = self._answer.partition(b"\r\n\r\n")
        if not came or (is_whole and head[9:12] != b"200"):
            raise RuntimeError(self._answer.decode())
        _, _, length = head.partition(b"\r\ncontent-length: ")
        return bool(is_whole) and len(body) >= int(length.partition(b"\r\n")[0])


def _run_round(plan: Plan, requests: Iterator[bytes]) -> Round:
    with ExitStack() as stack, select.epoll() as watched:
        connections: dict[int, _Connection] = {}
        for _ in range(plan.connections):
            opened = _Connection(plan)
            stack.enter_context(opened.socket)
            connections[opened.socket.fileno()] = opened
            watched.register(opened.socket, select.EPOLLIN)
        watched.register(sys.stdin, select.EPOLLIN)
        _say(Round(0, 0.0))
        free, sent, began = deque(connections.values()), 0, time.perf_counter()
        took, ends_at = 0.0, float("inf")
        while not took or len(free) < plan.connections:
            now = time.perf_counter()
            while not took and free and began + sent / plan.a_second <= now:
                free.popleft().send(_stamp(next(requests)))
                sent += 1
            if now > ends_at:
                raise RuntimeError(f"{plan.connections - len(free)} requests are not answered")
            is_due = free and not took
            for number, _ in watched.poll(max(0.0, began + sent / plan.a_second - now) if is_due else ANSWER_SECONDS):
                if number == sys.stdin.fileno():
                    os.read(number, 1)
                    watched.unregister(number)
                    took, ends_at = now - began, now + ANSWER_SECONDS
                elif connections[number].receive():
                    free.append(connections[number])
        return Round(sent, took)


def _stamp(request: bytes) -> bytes:
    if TIME not in request:
        return request
    return request.replace(TIME, datetime.now(UTC).isoformat(timespec="microseconds").encode())


def _say(round: Round) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(round) + b"\n")
    sys.stdout.flush()


def main() -> None:
    """Read the plan, then send for each round as long as it is told."""
    # Not by Python's buffer: the loop watches the descriptor.
    [size] = _SIZE.unpack(_read(_SIZE.size))
    plan = msgspec.msgpack.decode(_read(size), type=Plan)
    requests = cycle(plan.requests) if plan.is_endless else iter(plan.requests)
    while os.read(sys.stdin.fileno(), 1):
        _say(_run_round(plan, requests))


def _read(size: int) -> bytes:
    read = bytearray()
    while len(read) < size:
        read += os.read(sys.stdin.fileno(), size - len(read))
    return bytes(read)


if __name__ == "__main__":
    main()
