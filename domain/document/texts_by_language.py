"""A text of a document, or one for each language."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator

from domain.campaign.schema import quote_value, refuse

_LANGUAGE: Final = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_FORM: Final = "Write a text, or one for each language: `{en: Newsletter, de: Rundbrief}`"


def read_texts(value: Any) -> Any:
    """Read a text without a language under the key ""."""
    if isinstance(value, str):
        return {"": value}
    if not isinstance(value, Mapping) or not value:
        refuse(f"{quote_value(value)} is not a text", _FORM)
    return dict(value)


def _check_language(tag: str) -> str:
    if tag and not re.fullmatch(_LANGUAGE, tag):
        refuse(f"{quote_value(tag)} is not a language", "Write a tag such as `en`, `de` or `pt-BR`")
    return tag


LanguageTag = Annotated[str, AfterValidator(_check_language)]


def texts_schema(most: int) -> dict[str, Any]:
    """Return the JSON Schema of texts of so many characters."""
    text = {"type": "string", "minLength": 1, "maxLength": most}
    by_language = {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{_LANGUAGE}$"},
        "additionalProperties": text,
    }
    return {"oneOf": [text, by_language]}
