"""The services and the types of names that routes share.

A route that takes a key:

    router = APIRouter(prefix="/v1/things", dependencies=[Depends(allow(Scope.READ))], route_class=Route)

    @router.post("/{id}/mend", responses=refusals(NotFoundError, ConflictError))
    async def mend(id: ThingId, body: Mending, services: Using, by: Operator, if_match: IfMatch, tag: Tagged) -> Thing:
        thing = Thing.model_validate(await services.things.mend(id, body.how, if_match=if_match, by=by))
        tag.set(thing.revision)
        return thing

- `allow(Scope.…)` (api/auth.py) on the router; an acting route has its own by `by: Operator` or `by: Admin`, an Actor.
- `Route` (api/routes.py) checks the key before the body, does the work once under an Idempotency-Key, answers 304, and
  documents all that with its refusals. `refusals` (api/problems.py) adds those of the route itself.
- `IfMatch` (api/entity_tags.py) is for the use case, which calls `if_match.require(revision)` in its transaction.
- `Limit`, `After`, `position` and `cut` (api/pages.py) make a list.
- `model_config = example({…})` on every body and answer, `examples=[…]` on every path parameter: the tests of the
  OpenAPI document require them, and schemathesis calls the route with them.
"""

import re
from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Path, Query, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from domain.people.identity import PersonRef
from wiring import Services


def services_of(request: Request) -> Services:
    """Return the services of the application."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:
    # Asynchronous, or the framework would use a thread.
    return services_of(request)


def _storable(text: str) -> str:
    """Refuse the one character that PostgreSQL's text cannot hold."""
    if "\0" in text:
        raise ValueError("must not contain the character U+0000")
    return text


_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d")

FIRST_YEAR, LAST_YEAR = 1900, 9000

# The API's document keeps the examples of models here until it is served.
EXAMPLE = "x-example"

Using = Annotated[Services, Depends(_services)]

TextField = Annotated[str, AfterValidator(_storable), Field(json_schema_extra={"pattern": r"^[^\u0000]*$"})]
CampaignKey = Annotated[TextField, Path(min_length=1, max_length=255, examples=["abandoned-cart"])]
SegmentKey = Annotated[TextField, Path(min_length=1, max_length=255, examples=["lapsing-buyers"])]
UserId = Annotated[
    TextField,
    Path(
        min_length=1,
        max_length=255,
        description="As the client reports it, percent-encoded: `a/b` is `a%2Fb`. A plain slash is taken as well.",
        examples=["u-4711"],
    ),
]
ID_KIND: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
_KINDS: Final = (
    "The kind of the id in the path: `user`, `anonymous`, the type of an external id, or `profile` for Sojourn's own."
)
IdKindQuery = Annotated[
    str | None,
    Query(
        pattern=ID_KIND,
        description=f"{_KINDS} Without it: a user id, else an anonymous id.",
        examples=["anonymous"],
    ),
]
ChangedIdKindQuery = Annotated[
    str,
    Query(
        pattern=ID_KIND,
        description=f"{_KINDS} Browsers make anonymous ids up, also such as a user's: a change must name the kind.",
        examples=["anonymous"],
    ),
]


async def _person(user_id: UserId, kind: IdKindQuery = None) -> PersonRef:
    return PersonRef(user_id, kind)


async def _changed_person(user_id: UserId, kind: ChangedIdKindQuery = "user") -> PersonRef:
    return PersonRef(user_id, kind)


# The person in the path of a route below /v1/users, and of one that changes them.
PersonPath = Annotated[PersonRef, Depends(_person)]
ChangedPersonPath = Annotated[PersonRef, Depends(_changed_person)]
ChannelPath = Annotated[str, Path(pattern=r"^[a-z][a-z0-9_-]{0,31}$", examples=["email"])]
FileName = Annotated[TextField, Field(min_length=1, max_length=1024, description="named in the problems found in it")]


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


# For a number in a body (`Annotated[int, Field(ge=1), WHOLE]`): JSON has no integers, so 3.0 is 3.
WHOLE = BeforeValidator(_whole)


def _refuse_numbers(value: object) -> object:
    """Refuse a number as an instant, though it could be read as one."""
    if not (isinstance(value, str) and _INSTANT.match(value)):
        raise ValueError("must be an instant with its offset, as 2026-11-01T10:00:00Z")
    return value


def _refuse_other_days(value: object) -> object:
    """Refuse a number as a day, though it could be read as one."""
    if isinstance(value, str) and not _DAY.fullmatch(value):
        raise ValueError("must be a day such as 2026-11-22")
    return value


# A day of a query.
DayField = Annotated[date, BeforeValidator(_refuse_other_days)]


def _imaginable(instant: datetime) -> datetime:
    """Refuse instants near the first and the last year, which some zones cannot show."""
    if not FIRST_YEAR <= instant.year <= LAST_YEAR:
        raise ValueError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return instant


# An instant of a body or a query. In JSON it is a text, which a strict model would refuse.
InstantField = Annotated[
    AwareDatetime, Field(strict=False), BeforeValidator(_refuse_numbers), AfterValidator(_imaginable)
]


def _require_unicode(value: object) -> None:
    """Raise ValueError for a lone surrogate, which JSON allows and UTF-8 does not."""
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
    """A body without type conversions or unknown members."""

    model_config = ConfigDict(strict=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _is_unicode(cls, value: object) -> object:
        _require_unicode(value)
        return value


class ResponseModel(BaseModel):
    """An answer, filled from the result of a use case."""

    model_config = ConfigDict(from_attributes=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """Return a `model_config` with an example."""
    return ConfigDict(json_schema_extra=example_content(value))


def example_content(value: dict[str, Any]) -> dict[str, Any]:
    """Return the example of one route's answer, where its model has another."""
    # As text, since the framework omits nulls from its document; `create_app` restores it.
    return {EXAMPLE: msgspec.json.encode(value).decode()}
