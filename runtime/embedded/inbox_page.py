"""The web application of the embedded inbox: a list, message pages, and JSON.

A mail is foreign text: its HTML is shown in a sandboxed frame, without scripts, and without requests unless the reader
allows them.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from msgspec import to_builtins
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from runtime.embedded import inbox_html
from runtime.embedded.inbox_html import Filters
from runtime.embedded.inbox_intake import read_form, receive
from runtime.embedded.inbox_reactions import REPLIED, InboxRecipient, ReactionError, find_reaction
from runtime.embedded.inbox_store import InboxStore
from runtime.embedded.mail import InboxReply, Received, ReceivedMail, ReceivedMessage
from runtime.embedded.ports import LOOPBACK
from store.message_origins import MessageOrigin

FindOrigins = Callable[[Collection[UUID]], Awaitable[Mapping[UUID, MessageOrigin]]]

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-DNS-Prefetch-Control": "off",  # else the names in a mail's links are looked up
}
_HOSTS = ("localhost", "*.localhost", LOOPBACK)
PAGE_HEADERS = {
    **_COMMON,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; "
    "connect-src 'self'; "
    f"form-action 'self'; base-uri 'none'; frame-ancestors 'none'; script-src '{inbox_html.SCRIPT_HASH}'",
}
_SANDBOX = (
    f"sandbox {inbox_html.SANDBOX}; default-src 'none'; form-action 'none'; base-uri 'none'; frame-ancestors 'self'"
)
_LOCAL = f"{_SANDBOX}; style-src 'unsafe-inline'; img-src data:; font-src data:"
_REMOTE = f"{_SANDBOX}; style-src 'unsafe-inline' http: https:; img-src data: http: https:; font-src data: http: https:"


def inbox_page(
    store: InboxStore,
    find_origins: FindOrigins | None = None,
    journey_url: str = "",
    setup: str = "",
    recipient: InboxRecipient | None = None,
) -> Starlette:
    """Return the application that shows the messages of a store.

    `journey_url` is the address of a journey in the Temporal UI, with `{workflow_id}` in it; `setup` is the line that a
    new terminal needs before commands. `recipient` reacts to messages.
    """

    async def look_up(items: Sequence[Received]) -> Mapping[UUID, MessageOrigin]:
        ids = [found for item in items if (found := _uuid(item)) is not None]
        return await find_origins(ids) if find_origins is not None and ids else {}

    async def overview(request: Request) -> Response:
        items, asked = store.items[::-1], request.query_params
        filters = Filters(asked.get("q", "").strip(), asked.get("person", ""), asked.get("channel", ""))
        origins = await look_up(items)
        return _page(inbox_html.overview([(item, _find_origin(item, origins)) for item in items], filters, setup))

    async def one(request: Request) -> Response:
        if (item := _find(store, request)) is None:
            return _page(inbox_html.not_found(), 404)
        view = request.query_params.get("view", "")
        has_remote = "remote" in request.query_params
        origins = await look_up([item])
        return _page(inbox_html.message(item, _find_origin(item, origins), view, journey_url, has_remote=has_remote))

    async def react(request: Request) -> Response:
        if (item := _find(store, request)) is None or recipient is None:
            return _page(inbox_html.not_found(), 404)
        # A form of a page elsewhere: browsers say so.
        if request.headers.get("Sec-Fetch-Site") != "same-origin":
            return PlainTextResponse("a reaction comes from the inbox itself", 403, _COMMON)
        if (form := await read_form(request)) is None:
            return PlainTextResponse("the form is too long, or none", 400, _COMMON)
        origin = _find_origin(item, await look_up([item]))
        wanted, text = form.get("reaction", ""), form.get("text", "").strip()
        reaction = find_reaction(item, origin, wanted)
        if reaction is None or (reaction.kind == REPLIED and not text):
            return _page(inbox_html.describe_failure(item.number, "The message allows no such reaction."), 400)
        try:
            await recipient.react(item, origin, reaction, text)
        except ReactionError as error:
            return _page(inbox_html.describe_failure(item.number, str(error)), 502)
        if reaction.kind == REPLIED and isinstance(item, ReceivedMessage):
            store.add_reply(item, InboxReply(text, datetime.now(UTC)))
        back = form.get("back", "")
        is_own = back.startswith(("/?", "/messages/")) and "\\" not in back
        return RedirectResponse(f"{back if is_own else '/'}#m{item.number}", 303, _COMMON)

    async def html(request: Request) -> Response:
        item = _find(store, request)
        if not isinstance(item, ReceivedMail) or item.html is None:
            return PlainTextResponse("no such mail", 404, _COMMON)
        policy = _REMOTE if "remote" in request.query_params else _LOCAL
        # Its links open in a tab of their own.
        return HTMLResponse('<base target="_blank">' + item.html, 200, {**_COMMON, "Content-Security-Policy": policy})

    async def as_json(_: Request) -> Response:
        items = store.items[::-1]
        origins = await look_up(items)
        return JSONResponse([_record(item, _find_origin(item, origins)) for item in items], headers=_COMMON)

    async def take(request: Request) -> Response:
        return await receive(store, request)

    return Starlette(
        routes=[
            Route("/", overview),
            Route("/messages/{number:int}", one),
            Route("/messages/{number:int}/html", html),
            Route("/messages/{number:int}/reactions", react, methods=["POST"]),
            Route("/api/messages", as_json),
            Route("/api/messages", take, methods=["POST"]),
        ],
        # A page elsewhere whose name was pointed at this machine would be of the same origin as the inbox.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(_HOSTS))],
    )


def _find(store: InboxStore, request: Request) -> Received | None:
    return store.find(request.path_params["number"])


def _find_origin(item: Received, origins: Mapping[UUID, MessageOrigin]) -> MessageOrigin | None:
    found = _uuid(item)
    return None if found is None else origins.get(found)


def _uuid(item: Received) -> UUID | None:
    """The id of a message of the ledger; a mail may bear anything."""
    try:
        return UUID(item.message_id or "")
    except ValueError:
        return None


def _page(html: str, status: int = 200) -> HTMLResponse:
    return HTMLResponse(html, status, PAGE_HEADERS)


def _record(item: Received, origin: MessageOrigin | None) -> dict[str, Any]:
    record: dict[str, Any] = {
        "number": item.number,
        "received_at": item.received_at.isoformat(),
        "message_id": item.message_id,
        "origin": None if origin is None else to_builtins(origin),
    }
    if not isinstance(item, ReceivedMail):
        return {**record, "address": item.address, "content": item.content, "report_url": item.report_url}
    return {
        **record,
        "sender": item.sender,
        "recipients": item.recipients,
        "subject": item.subject,
        "headers": item.headers,
        "text": item.text,
        "html": item.html,
    }
