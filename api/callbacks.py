"""The callbacks of providers: what came of messages.

The URL names the configured provider, so that its secret is chosen before anything of the body is read. They have a
class of their own in `api.admission`, which also bounds their bodies.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from api.admission import CALLBACKS
from api.dependencies import TextField, services_of
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

ProviderName = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="its name in the document of providers",
        examples=["postmark"],
    ),
]


class CallbackRoute(APIRoute):
    """A route that is called as it is: providers send thousands a minute.

    The framework's own steps between a route and its function would cost as much as reading and verifying a callback.
    Parameters are declared for the API's document.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.app = self._answer

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.endpoint(scope["path_params"]["provider"], Request(scope, receive))
        await response(scope, receive, send)


router = APIRouter(prefix="/v1/callbacks", tags=["Recipients"], route_class=CallbackRoute)


# Before the other: a request is compared with each route until it meets its own.
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
async def receive_callback(provider: ProviderName, request: Request) -> Response:
    """Take a callback in the provider's own form, of 1 MiB at most.

    With 200, its reports are in force, those of unknown messages left out. Anything else is to be sent again, which
    providers do.
    """
    body = await read_body(request, MAX_CALLBACK_BYTES)
    url = f"{request.app.state.public_url.rstrip('/')}{CALLBACKS}{provider}"
    query = request.scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}
    callback = Callback(request.method, f"{url}?{query}" if query else url, headers, body)
    await services_of(request).callbacks.receive(provider, callback)
    return Response()


@router.get(
    "/{provider}",
    response_class=Response,
    responses=refusals(NotFoundError, InvalidRequestError, UnavailableError, UnverifiedCallbackError, SojournError),
)
async def check_callbacks(provider: ProviderName, request: Request) -> Response:
    """Say that the provider's callbacks are read here.

    For consoles that try the URL; it reports nothing. A WhatsApp app that verifies it, by the `verify_token` of the
    provider, gets its challenge back.
    """
    answer = await services_of(request).callbacks.check(provider, request.query_params)
    return Response(answer, media_type=None if answer is None else "text/plain")
