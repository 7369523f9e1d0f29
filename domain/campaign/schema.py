"""What the documents that people write are made of: the strict base model and the plainest types of fields."""

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

from domain.suggestions import did_you_mean


def _title(model: type[Any]) -> str:
    """`SendWindow` as `Send window`; what only tells Python's names apart is left out."""
    words = re.findall("[A-Z][a-z]*", model.__name__)
    return " ".join(word for word in words if word not in ("Spec", "Step", "Model", "Document")).capitalize()


class DocumentModel(BaseModel):
    """A mapping of a document: nothing unknown, nothing converted in silence, nothing changed afterwards.

    The docstrings of its kinds and the descriptions of their fields are what authors read in their editors.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", model_title_generator=_title)

    # What authors write for a key that is called otherwise here, by the words of other tools.
    synonyms: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def about_unknown_key(cls, key: str) -> tuple[str, str]:
        """What is wrong with a key that this mapping does not have, and what would be right."""
        meant = cls.synonyms.get(key, key)
        return f"the key `{key}` is not known here", did_you_mean(meant, cls.named_fields())

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


def _one_line(value: str) -> str:
    if value != value.strip() or not value.isprintable():
        refuse(
            f"{quote_value(value)} is not one plain line", "No spaces around it, no line breaks or control characters"
        )
    return value


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def pattern_check(pattern: str, *examples: str) -> WithJsonSchema:
    """What editors are told of a text that a validator reads."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "examples": list(examples)})


# Where null would do as well as an absent key, an empty line is more likely a line forgotten.
Given = BeforeValidator(_given)
SLUG = r"^[a-z0-9]+(-[a-z0-9]+)*$"
Slug = Annotated[str, Field(pattern=SLUG, max_length=64)]
Text = Annotated[
    str, Field(min_length=1, max_length=200, json_schema_extra={"pattern": r"^\S(.*\S)?$"}), AfterValidator(_one_line)
]
# `3.0` is a whole number: JSON Schema says so, and editors go by it.
WHOLE = BeforeValidator(_whole)
# Documents have lists, and what is frozen has tuples: this is the one conversion that is made.
Listed = Field(strict=False)


def quote_value(value: Any) -> str:
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
