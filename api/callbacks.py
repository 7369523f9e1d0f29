"""The callbacks of providers: what came of messages.

The URL names the configured provider, so that its secret is chosen before anything of the body is read. They have a
class of their own in `api.admission`, which also bounds their bodies.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from api.dependencies import TextField, Using
from api.limits import read_body
from api.problems import refusals
from domain.errors import (
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PayloadTooLargeError,
    RateLimitedError,
    SojournError,
    UnavailableError,
    UnverifiedCallbackError,
)
from domain.sending.reports import MAX_CALLBACK_BYTES, Callback

router = APIRouter(prefix="/v1/callbacks", tags=["Recipients"])

ProviderName = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="its name in the document of providers",
        examples=["postmark"],
    ),
]


@router.get(
    "/{provider}",
    response_class=Response,
    responses=refusals(NotFoundError, InvalidRequestError, UnavailableError, SojournError),
)
async def check_callbacks(provider: ProviderName, services: Using) -> Response:
    """Say that the provider's callbacks are read here.

    For consoles that try the URL; it reports nothing.
    """
    await services.callbacks.check(provider)
    return Response()


@router.post(
    "/{provider}",
    response_class=Response,
    responses=refusals(
        NotFoundError,
        InvalidRequestError,
        OverloadedError,
        PayloadTooLargeError,
        RateLimitedError,
        UnavailableError,
        UnverifiedCallbackError,
        SojournError,
    ),
)
async def receive_callback(provider: ProviderName, request: Request, services: Using) -> Response:
    """Take a callback in the provider's own form, of 1 MiB at most.

    With 200, its reports are in force, those of unknown messages left out. Anything else is to be sent again, which
    providers do.
    """
    body = await read_body(request, MAX_CALLBACK_BYTES)
    url = request.app.state.public_url.rstrip("/") + request.url.path
    query = f"?{request.url.query}" if request.url.query else ""
    headers = {name.lower(): value for name, value in request.headers.items()}
    await services.callbacks.receive(provider, Callback(request.method, url + query, headers, body))
    return Response()
