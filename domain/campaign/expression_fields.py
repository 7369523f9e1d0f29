"""Types of fields that hold CEL: conditions, keys, and computed values."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from domain.campaign.schema import DocumentModel, quote_value, refuse
from domain.conditions.expressions import ConditionError, ExpressionScope, compile_condition, compile_key, compile_value


def _check(compile_expression: Callable[[str], object]) -> AfterValidator:
    def check(text: str | None) -> str | None:
        if text is not None:
            try:
                compile_expression(text)
            except ConditionError as error:
                refuse(error.message, error.suggestion)
        return text

    return AfterValidator(check)


def condition(place: ExpressionScope) -> AfterValidator:
    """Make a validator that a text is a condition valid at this place."""
    return _check(lambda text: compile_condition(text, place))


def value(place: ExpressionScope) -> AfterValidator:
    """Make a validator that a text is an expression of any type valid at this place."""
    return _check(lambda text: compile_value(text, place))


WHICH_EVENTS = "a condition in CEL: which of those events; left out, those with the entry's `key`, if it has one"

KEY = _check(compile_key)


class Computed(DocumentModel):
    """A value that is computed when the step is reached."""

    cel: Annotated[str, value(ExpressionScope.VALUE)] = Field(
        description="an expression in CEL: `profile.traits.visits + 1`"
    )


def _plain(given: Any) -> Any:
    items = given if isinstance(given, list) else [given]
    if not all(item is None or isinstance(item, str | int | float | bool) for item in items):
        refuse(
            f"{quote_value(given)} is not a value",
            "Write a text, a number, true, false, a list of those, or `{cel: …}`",
        )
    return given


def _form(given: Any) -> str:
    return "computed" if isinstance(given, Computed) or (isinstance(given, Mapping) and "cel" in given) else "value"


_SCALAR = ["string", "number", "boolean", "null"]
Value = Annotated[
    Annotated[
        Any,
        AfterValidator(_plain),
        WithJsonSchema({"type": [*_SCALAR, "array"], "items": {"type": _SCALAR}}),
        Tag("value"),
    ]
    | Annotated[Computed, Tag("computed")],
    Discriminator(_form),
]


def _named_values(given: Any) -> Any:
    if isinstance(given, Mapping) and not given:
        refuse("nothing is set", "Write at least one `name: value`")
    return given


# By name. A `Value` is plain, or `{cel: …}`.
Values = Annotated[dict[str, Value], Field(json_schema_extra={"minProperties": 1}), BeforeValidator(_named_values)]
