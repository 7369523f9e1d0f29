"""What the documents that people write are made of: the strict base model and the types of fields."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from domain.campaign.durations import (
    EXPECTED,
    MAX_SECONDS,
    DurationError,
    format_duration,
    parse_duration,
    parse_offset,
)
from domain.campaign.suggestions import did_you_mean


def _title(model: type[Any]) -> str:
    """`SendWindow` as `Send window`; what only tells Python's names apart is left out."""
    words = re.findall("[A-Z][a-z]*", model.__name__)
    return " ".join(word for word in words if word not in ("Spec", "Step", "Model", "Document")).capitalize()


class Document(BaseModel):
    """A mapping of a document: nothing unknown, nothing converted in silence, nothing changed afterwards.

    The docstrings of its kinds and the descriptions of their fields are what authors read in their editors.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", model_title_generator=_title)

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        """What is wrong with a key that this mapping does not have, and what would be right."""
        return f"the key `{key}` is not known here", did_you_mean(key, cls.named_fields())

    @classmethod
    def named_fields(cls) -> dict[str, FieldInfo]:
        """The fields by the names that authors use."""
        return {info.alias or name: info for name, info in cls.model_fields.items()}


def refuse(message: str, suggestion: str) -> NoReturn:
    """Say from inside a validator what is wrong with a value and what would be right."""
    raise PydanticCustomError("refused", "{said}", {"said": message, "suggestion": suggestion})


def _given(value: Any) -> Any:
    if value is None:
        refuse("has no value", "Write one, or leave the line out")
    return value


def _seconds(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        refuse(f"{shown(value)} is not a duration", EXPECTED)
    try:
        seconds = parse_duration(value)
    except DurationError as error:
        refuse(error.message, error.suggestion)
    if not 0 < seconds <= MAX_SECONDS:
        refuse(f"`{value}` is out of bounds", "A duration is from 1s to 366d")
    return seconds


def _seconds_range(value: Any) -> tuple[int, int]:
    if not isinstance(value, str) or ".." not in value:
        refuse(f"{shown(value)} is not a range of durations", _range_meant(value))
    low, high = (_seconds(part.strip()) for part in value.split("..", 1))
    if low >= high:
        refuse(f"`{value}` is empty", f"Write the smaller one first: `{format_duration(high)}..{format_duration(low)}`")
    return low, high


def _range_meant(value: Any) -> str:
    expected = "Write the least and the most: `1h..3h`"
    ends = (
        re.split(r"\s*(?:-|–|…|to)\s*", value) if isinstance(value, str) else value if isinstance(value, list) else []
    )
    with suppress(DurationError):
        found = [parse_duration(end) for end in ends if isinstance(end, str)]
        if len(found) == 1 == len(ends):
            return f"{expected}; a fixed time is `delay: {ends[0]}`"
        if len(found) == 2 == len(ends):
            return f"Did you mean `{'..'.join(map(format_duration, sorted(found)))}`? {expected}"
    return expected


def _offset(value: Any) -> int:
    said = "Write a duration, with `-` for earlier: `-3d`, `2h`"
    if not isinstance(value, str):
        days = f". Did you mean `{value}d`?" if isinstance(value, int) and not isinstance(value, bool) else ""
        refuse(f"{shown(value)} is not an offset", f"{said}{days}")
    try:
        seconds = parse_offset(value)
    except DurationError as error:
        suggestion = error.suggestion.replace("mean `", "mean `-") if value.startswith("-") else error.suggestion
        refuse(f"{shown(value)} is not an offset", f"{suggestion}; with `-` for earlier")
    if not 0 < abs(seconds) <= MAX_SECONDS:
        refuse(f"`{value}` is out of bounds", "An offset is from 1s to 366d, earlier or later")
    return seconds


def _instant(value: Any) -> datetime:
    instant: datetime | None = None
    if isinstance(value, str) and re.fullmatch(_INSTANT, value):
        with suppress(ValueError, OverflowError):
            instant = datetime.fromisoformat(value).astimezone(UTC)
    if instant is None:
        meant = next(
            (f"{value}{rest}" for rest in ("Z", "T00:00:00Z") if re.fullmatch(_INSTANT, f"{value}{rest}")), None
        )
        refuse(
            f"{shown(value)} is not a time with an offset",
            (f"Did you mean `{meant}`? " if meant else "")
            + "Write date, time and offset: `2026-11-01T09:00:00Z` or `2026-11-01T09:00:00+01:00`",
        )
    return instant


def _one_line(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        refuse(f"{shown(value)} is not one plain line", "No spaces around it, no line breaks or control characters")
    return value


_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})"
_DURATION = r"([0-9]{1,9}w)?([0-9]{1,9}d)?([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?"


def patterned(pattern: str, *examples: str) -> WithJsonSchema:
    """What editors are told of a text that a validator reads."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


# Where null would do as well as an absent key, an empty line is more likely a line forgotten.
Given = BeforeValidator(_given)
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Text = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^\S(.*\S)?$"}), AfterValidator(_one_line)
]
Duration = Annotated[
    int,
    BeforeValidator(_seconds),
    PlainSerializer(format_duration, return_type=str),
    patterned(rf"(?=[0-9]){_DURATION}", "30m", "7d", "1h30m"),
]
# The least and the most, in seconds.
DurationRange = Annotated[
    tuple[int, int],
    BeforeValidator(_seconds_range),
    PlainSerializer(lambda ends: "..".join(map(format_duration, ends)), return_type=str),
    patterned(rf"(?=[0-9]){_DURATION}\.\.(?=[0-9]){_DURATION}", "1h..3h"),
]
# Seconds, negative for earlier.
Offset = Annotated[
    int,
    BeforeValidator(_offset),
    PlainSerializer(lambda at: ("-" if at < 0 else "") + format_duration(abs(at)), return_type=str),
    patterned(rf"[-+]?(?=[0-9]){_DURATION}", "-3d", "2h"),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    PlainSerializer(lambda at: at.isoformat().replace("+00:00", "Z"), return_type=str),
    patterned(_INSTANT, "2026-11-01T09:00:00Z", "2026-11-01T09:00:00+01:00"),
]
# Documents have lists, and what is frozen has tuples: this is the one conversion that is made.
Listed = Field(strict=False)


def shown(value: Any) -> str:
    """The offending value where it is short, else what it is."""
    match value:
        case str() if len(value) <= 60:
            return f"`{value}`"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"`{value}`"
        case str():
            return f"`{value[:57]}…`"
        case None:
            return "nothing"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"
