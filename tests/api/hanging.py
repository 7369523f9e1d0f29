"""An application that does not let go, in the server of the product; its arguments are a port, and how it holds on."""

import asyncio
import sys
import time

from starlette.types import Receive, Scope, Send

from api import server
from tests.api.fakes import SETTINGS


async def hanging(scope: Scope, receive: Receive, send: Send) -> None:
    """Hold on, in the way that the process was started with."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    # Its caller knows from this that it is under way.
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    await asyncio.sleep(0)
    match sys.argv[2]:
        case "event loop":
            time.sleep(1_000)  # noqa: ASYNC251 that is what is tried
        case "thread":
            await asyncio.to_thread(time.sleep, 1_000)
        case "deaf task":
            while True:
                try:
                    await asyncio.sleep(1_000)
                except asyncio.CancelledError:
                    continue


def main() -> None:
    """Serve it, with times so short that a test waits for seconds."""
    vars(server).update(GRACE_SECONDS=1, STOP_SECONDS=3)
    server.serve(hanging, SETTINGS, host="127.0.0.1", port=int(sys.argv[1]))
