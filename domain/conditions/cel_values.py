"""Values of CEL as the rest of the product keeps and describes them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Any

from cel_expr_python import cel

from domain.conditions.cel_data import cel_data


def key_text(value: Any) -> str | None:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float() if isfinite(value):
            # JSON does not distinguish 42.0 from 42, and clients write either for the same id.
            return format(Decimal(repr(value)), "f").removesuffix(".0")
    return None


def plain_value(value: Any) -> Any:
    """Return a value as JSON or a time; raise TypeError if neither can hold it."""
    match value:
        case str() if "\0" in value:
            raise TypeError(r"a text with the character \u0000 cannot be kept")
        case cel.Value():
            return plain_value(value.value())
        case None | bool() | int() | str() | datetime():
            return value
        case float() if isfinite(value):
            # The number is the same; a whole one is easier to read.
            return cel_data(value)
        case list():
            return [plain_value(item) for item in value]
        case dict():
            return {str(plain_value(key)): plain_value(item) for key, item in value.items()}
    raise TypeError(f"{describe_type(value)} cannot be kept")


def is_missing(path: tuple[str, ...], key: str, data: Mapping[str, Any]) -> bool:
    """Return whether this key is the first that is missing along a path."""
    value: Any = data
    for part in path:
        if not isinstance(value, Mapping):
            return False
        if part not in value:
            return part == key
        value = value[part]
    return False


def describe_type(value: Any) -> str:
    """Describe a value by its type only, since it may be personal."""
    names = {"NoneType": "null", "str": "a text", "int": "a number", "float": "a number", "bool": "true or false"}
    return names.get(type(value).__name__, f"a {type(value).__name__}")


def type_name(kind: cel.Type) -> str:
    return str(kind.name()).lower()
