"""An ad platform on this machine that has audiences as Meta has them, by real HTTP."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, TypeVar

from tests.channels.servers import answer, listening


def digest(value: str) -> str:
    return sha256(value.encode()).hexdigest()


@dataclass
class MetaServer:
    """Whom each audience has, by hashes. The next answers may be others; None takes a request and loses the answer."""

    audiences: dict[str, set[str]] = field(default_factory=dict)
    requests: list[tuple[str, int]] = field(default_factory=list)
    answers: deque[bytes | None] = field(default_factory=deque)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    base: str = ""

    def __post_init__(self) -> None:
        self.gate.set()

    def people(self, *values: str) -> set[str]:
        """The hashes of addresses."""
        return {digest(value) for value in values}

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, path, _ = head.split(" ", 2)
            length = next(
                (line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-length")),
                "0",
            )
            body = await reader.readexactly(int(length))
            await self.gate.wait()
            reply = self._take(method, path, body)
            if reply is None:
                return
            writer.write(reply)
            await writer.drain()

    def _take(self, method: str, path: str, body: bytes) -> bytes | None:
        other: bytes | None = self.answers.popleft() if self.answers else b""
        if other:
            return other
        if not path.endswith("/users"):
            return answer(200, b"{}")
        payload: dict[str, Any] = json.loads(body)["payload"]
        rows = payload["data"]
        hashes = {value for row in rows for value in row if value}
        has = self.audiences.setdefault(path.split("/")[2], set())
        if method == "POST":
            has |= hashes
        else:
            has -= hashes
        self.requests.append((method, len(rows)))
        if other is None:
            return None
        said = {"audience_id": path.split("/")[2], "num_received": len(rows), "num_invalid_entries": 0}
        return answer(200, json.dumps(said).encode())


@dataclass
class GoogleServer(MetaServer):
    """Audiences as Google's Data Manager has them: it works on requests later, in an order of its own."""

    taken: dict[str, tuple[str, set[str]]] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)

    def work(self, *ids: str) -> None:
        """Work on requests, in this order."""
        for id in ids:
            method, hashes = self.taken[id]
            has = self.audiences.setdefault("77", set())
            self.audiences["77"] = has | hashes if method == "ingest" else has - hashes
            self.done.add(id)

    def _take(self, method: str, path: str, body: bytes) -> bytes:
        _, _, call = path.partition(":")
        if call.startswith("retrieve?requestId="):
            state = "SUCCESS" if call.rpartition("=")[2] in self.done else "PROCESSING"
            return answer(200, json.dumps({"requestStatusPerDestination": [{"requestStatus": state}]}).encode())
        people = json.loads(body)["audienceMembers"]
        hashes = {one["emailAddress"] for person in people for one in person["userData"]["userIdentifiers"]}
        id = f"r{len(self.taken) + 1}"
        self.taken[id] = call, hashes
        return answer(200, json.dumps({"requestId": id}).encode())


@asynccontextmanager
async def meta_server() -> AsyncIterator[MetaServer]:
    async with serving(MetaServer()) as server:
        yield server


Server = TypeVar("Server", bound=MetaServer)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    async with listening(server.talk) as port:
        server.base = f"http://127.0.0.1:{port}"
        yield server
