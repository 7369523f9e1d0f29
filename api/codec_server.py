"""A codec server: decrypts and encrypts payloads for the Temporal UI and CLI.

Contract: https://docs.temporal.io/codec-server. It stores nothing and knows only the keys: the payload comes with the
request, from a caller that may read histories in Temporal.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from temporalio.api.common.v1 import Payload, Payloads

from api.limits import read_body
from domain.deployment.secrets import is_loopback
from domain.errors import PayloadTooLargeError
from runtime.encryption import DecryptionError, EncryptionCodec

# A history's page has at most 4 MB in gRPC; base64 adds a third.
MAX_BODY_BYTES = 8 * 1024 * 1024

Convert = Callable[[Sequence[Payload]], Awaitable[list[Payload]]]


def create_codec_server(codec: EncryptionCodec, *, ui_origin: str, key: str | None) -> Starlette:
    """Create the application, for browsers at the UI's origin and for other clients.

    With a key, each call must bring it (`Authorization: Bearer …`). Without one the host must be a name of this
    machine: a foreign page whose name leads here is refused.
    """

    def answer_with(convert: Convert) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            refusal = _refusal(request, ui_origin, key)
            return refusal or await _convert(request, convert)

        return answer

    return Starlette(
        routes=[
            Route("/encode", answer_with(codec.encode), methods=["POST"]),
            Route("/decode", answer_with(codec.decode), methods=["POST"]),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=[ui_origin],
                allow_methods=["POST"],
                allow_headers=["authorization", "content-type", "x-namespace"],
                max_age=600,
            )
        ],
    )


def _refusal(request: Request, ui_origin: str, key: str | None) -> Response | None:
    origin = request.headers.get("origin")
    if origin is not None and origin != ui_origin:
        return PlainTextResponse("this origin is not that of SOJOURN_TEMPORAL_UI_URL", 403)
    if key is None:
        is_here = request.url.hostname is not None and is_loopback(request.url.hostname)
        return None if is_here else PlainTextResponse("call it by localhost, or set SOJOURN_CODEC_KEY", 403)
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and secrets.compare_digest(given.strip().encode(), key.encode()):
        return None
    wanted = {"WWW-Authenticate": "Bearer"}
    return PlainTextResponse("send SOJOURN_CODEC_KEY as `Authorization: Bearer KEY`", 401, wanted)


async def _convert(request: Request, convert: Convert) -> Response:
    try:
        given = Parse(await read_body(request, MAX_BODY_BYTES), Payloads())
        converted = Payloads(payloads=await convert(given.payloads))
    except (ParseError, UnicodeDecodeError):
        return PlainTextResponse("the body is not a JSON of temporal.api.common.v1.Payloads", 400)
    except PayloadTooLargeError as error:
        return PlainTextResponse(error.detail, 413)
    except DecryptionError as error:
        return PlainTextResponse(str(error), 400)
    return Response(MessageToJson(converted, indent=None), media_type="application/json")
