"""A receiver of webhooks on loopback that accepts only signed ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from standardwebhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.embedded.http import HttpServer
from runtime.embedded.ports import listen


@dataclass(frozen=True, slots=True)
class ReceivedCall:
    """A call with a valid signature: the message's id and its data."""

    message_id: str
    data: Mapping[str, Any]


class Receiver:
    """A running receiver. `calls` have valid signatures, `refused` counts the others."""

    url: str

    def __init__(self, signing_secret: str) -> None:
        self.calls: list[ReceivedCall] = []
        self.refused = 0
        self._verifier = Webhook(signing_secret)

    @classmethod
    async def start(cls, signing_secret: str) -> Self:
        receiver = cls(signing_secret)
        receiver._server = await HttpServer.start(
            Starlette(routes=[Route("/hooks", receiver._take, methods=["POST"])]), listen(None)
        )
        receiver.url = f"{receiver._server.url}/hooks"
        return receiver

    async def stop(self) -> None:
        await self._server.stop()

    async def _take(self, request: Request) -> Response:
        try:
            envelope = self._verifier.verify(await request.body(), dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return Response(status_code=401)
        self.calls.append(ReceivedCall(request.headers["webhook-id"], envelope["data"]))
        return Response(status_code=204)

    _server: HttpServer
