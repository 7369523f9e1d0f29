"""Personal fields, which are null without the scope `people`.

A field is marked where its model is written, and the mark holds in every answer that has the model:

    class Trait(ResponseModel):
        name: str
        value: Personal[Any]

    class Traits(PeopleAnswer):
        traits: list[Trait]

`Route` (api/routes.py) says once for each request whether it is masked. A masked field is null. A test calls every
route with each scope, and another finds fields that should be marked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Annotated, Any, Final, TypeVar, cast, get_args

from fastapi import Request
from pydantic import BaseModel, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, SerializerFunctionWrapHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from api.auth import authenticate
from api.dependencies import ResponseModel
from domain.access import Scope, includes
from domain.errors import ForbiddenError

# Nothing is shown where no route has asked who calls, such as in a stream that goes on behind its answer.
_is_masked: ContextVar[bool] = ContextVar("is_masked", default=True)

_NULL: Final[JsonSchemaValue] = {"type": "null"}

T = TypeVar("T")


class PersonalField:
    """The mark of a personal field: null in a masked answer."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        serialization = core_schema.wrap_serializer_function_ser_schema(_hide)
        return cast("CoreSchema", {**handler(source), "serialization": serialization})

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        shown = handler(schema)
        # Without a type it is any value, also null.
        choices = shown.get("anyOf", [shown] if shown else [])
        nullable = {"anyOf": [*choices, _NULL]} if choices and _NULL not in choices else shown
        return {**nullable, "x-personal": True}


Personal = Annotated[T, PersonalField()]


def _hide(value: Any, show: SerializerFunctionWrapHandler) -> Any:
    return None if _is_masked.get() else show(value)


def _is_answer_masked() -> bool:
    return _is_masked.get()


class PeopleAnswer(ResponseModel):
    """An answer with personal fields."""

    masked: bool = Field(
        default_factory=_is_answer_masked,
        description="whether its personal fields are null, since the key or session lacks the scope `people`",
    )


async def is_masked_for(request: Request) -> bool:
    """Return whether the caller gets no personal fields."""
    return not includes((await authenticate(request)).scopes, Scope.PEOPLE)


@contextmanager
def masking(is_masked: bool) -> Iterator[None]:
    """Mask the answers that are made meanwhile, or show all of them."""
    token = _is_masked.set(is_masked)
    try:
        yield
    finally:
        _is_masked.reset(token)


def require_people(action: str) -> None:
    """Raise ForbiddenError where the answer is masked, for what cannot be masked."""
    if _is_masked.get():
        raise ForbiddenError(f"{action} takes a key or session of scope {Scope.PEOPLE}", scope=Scope.PEOPLE)


def holds_people(answer: Any) -> bool:
    """Whether a type of answers has a personal field, at any depth."""
    return _holds_people(answer, set())


def _holds_people(found: Any, seen: set[Any]) -> bool:
    if isinstance(found, PersonalField):
        return True
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        return any(_holds_people(each, seen) for each in get_args(found))
    if found in seen:
        return False
    seen.add(found)
    return any(
        _holds_people(each, seen)
        for field in found.model_fields.values()
        for each in (*field.metadata, field.annotation)
    )
