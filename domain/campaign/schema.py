"""The strict base model of documents, and the basic types of fields."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NoReturn

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from domain.suggestions import did_you_mean, find_closest


def _title(model: type[Any]) -> str:
    """Turn `SendWindow` into `Send window`, without Python's suffixes."""
    words = re.findall("[A-Z][a-z]*", model.__name__)
    return " ".join(word for word in words if word not in ("Spec", "Step", "Model", "Document")).capitalize()


class DocumentModel(BaseModel):
    """A mapping of a document: no unknown keys, no silent conversions, immutable.

    Authors read the docstrings of its subclasses and the descriptions of their fields in their editors.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", model_title_generator=_title)

    # Keys that authors may know from other tools, with ours.
    synonyms: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        """Return the message and the remedy for an unknown key."""
        meant = cls.synonyms.get(key, key)
        return f"the key `{key}` is not known here", did_you_mean(meant, cls.named_fields())

    @classmethod
    def closest_field(cls, key: str) -> str | None:
        """Return the field that an unknown key may mean."""
        return find_closest(cls.synonyms.get(key, key), cls.named_fields())

    @classmethod
    def named_fields(cls) -> dict[str, FieldInfo]:
        """Return the fields by the names that authors use."""
        return {info.alias or name: info for name, info in cls.model_fields.items()}


def refuse(message: str, suggestion: str) -> NoReturn:
    """Reject a value in a validator, with a message and a remedy."""
    raise PydanticCustomError("refused", "{said}", {"said": message, "suggestion": suggestion})


def _require_value(value: Any) -> Any:
    if value is None:
        refuse("has no value", "Write one, or leave the line out")
    return value


def _one_line(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        refuse(
            f"{quote_value(value)} is not one plain line", "No spaces around it, no line breaks or control characters"
        )
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def pattern_check(pattern: str, *examples: str) -> WithJsonSchema:
    """Describe for editors a text that a validator reads."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


# Rejects an explicit null: an empty value was probably forgotten.
Given = BeforeValidator(_require_value)
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, Field(pattern=SLUG, max_length=64)]
Text = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^\S(.*\S)?$"}), AfterValidator(_one_line)
]
# `3.0` is a whole number, as in JSON Schema.
WHOLE = BeforeValidator(_whole)
# A list becomes a tuple, the only conversion made.
Listed = Field(strict=False)


def quote_value(value: Any) -> str:
    """Return the offending value if it is short, else its kind."""
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
