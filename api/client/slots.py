"""The messages in the slots of a page, for the page or the server that renders it."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack
from typing import Annotated, Any, Final

import msgspec
import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from api.auth import Allowed, Documented, admit_page, require, verify_write_key, write_key
from api.client.callers import AnonymousIdHeader, ClientRoute, find_caller
from api.client.messages import MESSAGE, PageMessage
from api.dependencies import ResponseModel, TextField, Using, example
from domain.access import Access, Actor, Scope
from domain.errors import InvalidRequestError
from domain.people.identity import Identity
from domain.sending.inbox import InboxMessage

_log = structlog.get_logger(__name__)

# A page that is rendered waits so long. Seconds.
BUDGET: Final = 0.05
# Look-ups of a process at a time, with those that are late. Events need the other connections.
MAX_LOOK_UPS: Final = 4
# Anyone has the key of a page, and its look-ups must not blank the pages that servers render.
KEPT_FOR_SERVERS: Final = 2
MAX_NAMES: Final = 20
LATE_HEADER: Final = "Sojourn-Slots"

SlotMessages = Mapping[str, InboxMessage | None]
PlaceWait = Coroutine[Any, Any, ExitStack]
FindSlots = Callable[[], Coroutine[Any, Any, SlotMessages]]
_Names = Annotated[
    TextField,
    Query(
        min_length=1,
        # A name has 64 characters at most.
        max_length=MAX_NAMES * 65,
        description=f"the names of at most {MAX_NAMES} slots, between commas",
        examples=["hero,footer"],
    ),
]
_Id = Annotated[
    TextField | None, Query(min_length=1, max_length=255, description="with the key of a server: names the person")
]


class SlotRoute(ClientRoute):
    """A route for pages, and for the servers that render them."""

    async def admit(self, request: Request, scope: Scope) -> None:
        """Verify the key of a page or of a server, and its scope."""
        access = await verify_write_key(request, write_key(request))
        require(access, scope if access.browser is None else Scope.CLIENT)
        admit_page(request, access)
        request.state.access = access


class SlotReader(Allowed):
    """As Allowed for the key of a server; that of a page has a scope of its own.

    A page reads for the person of its token. A server names any person, so its key must be one that may read of them.
    """

    async def __call__(self, request: Request, _documented: Documented) -> Actor:
        """Return the actor of a key that the route has admitted."""
        access: Access = request.state.access
        return access.actor


router = APIRouter(
    prefix="/v1/client/slots", tags=["Client"], dependencies=[Depends(SlotReader(Scope.PEOPLE))], route_class=SlotRoute
)


class LookUpPlaces:
    """The places for look-ups of one process."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MAX_LOOK_UPS)
        self._of_pages = asyncio.Semaphore(MAX_LOOK_UPS - KEPT_FOR_SERVERS)

    async def take(self, *, is_page: bool) -> ExitStack:
        """Wait for a place; return what gives it back when it is closed."""
        with ExitStack() as taken:
            for places in (self._of_pages, self._all) if is_page else (self._all,):
                await places.acquire()
                taken.callback(places.release)
            return taken.pop_all()


class Slots(ResponseModel):
    model_config = example({"slots": {"hero": {**MESSAGE, "kind": "slot", "placement": "hero"}, "footer": None}})

    slots: dict[str, PageMessage | None] = Field(description="by name; null where the page keeps its own content")


async def _find_person(
    request: Request, header: AnonymousIdHeader = None, user_id: _Id = None, anonymous_id: _Id = None
) -> Identity:
    access: Access = request.state.access
    if access.browser is not None:
        return (await find_caller(request, header)).identity
    if user_id is not None:
        return Identity("user", user_id)
    if anonymous_id is not None:
        return Identity("anonymous", anonymous_id)
    raise InvalidRequestError("name the person by `user_id` or `anonymous_id`")


@router.get("", response_model=Slots)
async def read_slots(
    names: _Names,
    person: Annotated[Identity, Depends(_find_person)],
    request: Request,
    services: Using,
) -> Response:
    """Return what stands in the slots of a page for a person, within 50 ms.

    The key is that of a page, with a user token or an anonymous id, or that of a server, of scope `people`, with
    `user_id` or `anonymous_id`. The messages are thereby given to the person. If it takes longer, all are null, and the
    header `Sojourn-Slots` is `timeout`.
    """
    wanted = list(dict.fromkeys(name for name in names.split(",") if name))
    if not 0 < len(wanted) <= MAX_NAMES:
        raise InvalidRequestError(f"name 1 to {MAX_NAMES} slots, between commas")
    access: Access = request.state.access
    wait = request.app.state.slot_places.take(is_page=access.browser is not None)
    found = await find_in_time(wait, lambda: services.page_inboxes.read_slots(person, wanted))
    late = {LATE_HEADER: "timeout"} if found is None else {}
    slots = dict.fromkeys(wanted) if found is None else found
    headers = {"Cache-Control": "private, no-store", **late}
    return Response(msgspec.json.encode({"slots": slots}), headers=headers, media_type="application/json")


async def find_in_time(wait: PlaceWait, find: FindSlots) -> SlotMessages | None:
    """Return the messages; None if they are not there in time, or cannot be read.

    A late look-up goes on, and keeps its place: to end its statement would take longer.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + BUDGET
    try:
        async with asyncio.timeout_at(deadline):
            place = await wait
    except TimeoutError:
        return None
    task = asyncio.create_task(find())
    task.add_done_callback(lambda _: place.close())
    task.add_done_callback(_log_failure)
    await asyncio.wait([task], timeout=deadline - clock())
    return None if not task.done() or task.exception() is not None else task.result()


def _log_failure(task: asyncio.Task[SlotMessages]) -> None:
    """Log why a look-up failed, also a late one: its page has its own content."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("failed to read slots", exc_info=error)
