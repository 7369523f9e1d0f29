"""What the routes share: the services, and the types of the names in their paths and bodies.

A route that takes a key:

    router = APIRouter(prefix="/v1/things", dependencies=[Depends(allow(Scope.READ))], route_class=Route)

    @router.post("/{id:uuid}/mend", responses=refusals(NotFoundError, ConflictError))
    async def mend(id: ThingId, body: Mending, services: Using, by: Operator, if_match: IfMatch, tag: Tagged) -> Thing:
        thing = Thing.model_validate(await services.things.mend(id, body.how, if_match=if_match, by=by))
        tag.set(thing.revision)
        return thing

- `allow(Scope.…)` (api/auth.py) on the router; what acts names its own by `by: Operator` or `by: Admin`, an Actor.
- `Route` (api/routes.py) checks the key before the body, does the work once under an Idempotency-Key, answers 304, and
  documents all that with its refusals. `refusals` (api/problems.py) adds those of the route itself.
- `IfMatch` (api/entity_tags.py) is for the use case, which calls `if_match.require(revision)` in its transaction.
- `Limit`, `After`, `position` and `cut` (api/pages.py) make a list.
- `model_config = example({…})` on every body and answer, `examples=[…]` on every path parameter: the tests of the
  OpenAPI document ask for them, and schemathesis calls the route by them.
"""

import re
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Path, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from wiring import Services


def services_of(request: Request) -> Services:
    """What the application was opened with."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:
    # Asynchronous, or the framework would have a thread call it.
    return services_of(request)


def _storable(text: str) -> str:
    """PostgreSQL's text holds every character but one."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    return text


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d")

FIRST_YEAR, LAST_YEAR = 1900, 9000

# Where the document of the API has the examples of its models until it is served.
EXAMPLE = "x-example"

Using = Annotated[Services, Depends(_services)]

TextField = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
CampaignKey = Annotated[TextField, Path(min_length=1, max_length=255, examples=["abandoned-cart"])]
UserId = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="As the client reports it, percent-encoded: `a/b` is `a%2Fb`. A plain slash is taken as well.",
        examples=["u-4711"],
    ),
]
ChannelPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["email"])]
FileName = Annotated[TextField, Field(min_length=1, max_length=1024, description="named in the problems found in it")]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# Beside the bounds of a body's number (`Annotated[int, Field(ge=1), WHOLE]`): JSON knows no integers, so that 3.0 is 3.
WHOLE = BeforeValidator(_whole)


def _written_out(value: object) -> object:
    """A number is no instant, though it could be taken for one."""
    if not (isinstance(value, str) and _INSTANT.match(value)):
        raise ValueError("must be an instant with its offset, as 2026-11-01T10:00:00Z")
    return value


def _imaginable(instant: datetime) -> datetime:
    """Of the first and the last years not every instant can be told in every zone, nor be reckoned with."""
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


# An instant of a body or a query. It is a text in JSON, which a strict model would refuse.
InstantField = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written_out), AfterValidator(_imaginable)]


def _require_unicode(value: object) -> None:
    """Raises ValueError for half of a surrogate pair, which JSON can say and UTF-8 cannot."""
    match value:
        case str():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise ValueError("must not contain half of a surrogate pair") from error
        case dict():
            for key, each in value.items():
                _require_unicode(key)
                _require_unicode(each)
        case list():
            for each in value:
                _require_unicode(each)


class RequestModel(BaseModel):
    """A body that means what it says: no conversions between types, no members that are not read."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_unicode(cls, value: object) -> object:
        _require_unicode(value)
        return value


class ResponseModel(BaseModel):
    """An answer, filled from what a use case returns."""

    model_config = ConfigDict(from_attributes=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """The `model_config` of a body or an answer that shows what it looks like."""
    # As text, since the framework leaves nulls out of its document; `create_app` puts it back.
    return ConfigDict(json_schema_extra={EXAMPLE: msgspec.json.encode(value).decode()})
