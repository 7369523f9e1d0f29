"""Turn pydantic's errors into problems with line, path and remedy."""

import re
from collections.abc import Collection
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import Tag, ValidationError
from pydantic_core import ErrorDetails
from typing_extensions import TypeAliasType

from domain.campaign.schema import SLUG, DocumentModel, quote_value
from domain.campaign.trigger_fields import TRIGGER_KEYS, TriggerModel
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean

DocumentT = TypeVar("DocumentT", bound=DocumentModel)


def validate(
    model: type[DocumentT], source: YamlSource, ignored: Collection[Path] = ()
) -> tuple[DocumentT | None, list[Problem]]:
    """Validate the shape of a document, except for problems at `ignored` paths."""
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        found = [(*_locate(model, one["loc"]), one) for one in error.errors(include_url=False)]
    problems: list[Problem] = []
    misspelt = {
        (*path[:-1], around.closest_field(path[-1]))
        for path, around, _, one in found
        if one["type"] == "extra_forbidden"
    }
    for path, around, at, one in found:
        if one["type"] == "missing" and path in misspelt:
            continue
        # A list whose items are all wrong also counts as too short.
        is_besides = one["type"] == "too_short" and isinstance(one["input"], list) and one["input"]
        problem = source.problem(path, *_message(path, around, at, one))
        # Each member of a union may say the same.
        if path not in ignored and not is_besides and problem not in problems:
            problems.append(problem)
    return None, problems


def _message(path: Path, around: Any, at: Any, found: ErrorDetails) -> tuple[str, str]:
    """Return the message and the remedy."""
    value, context = found["input"], found.get("ctx", {})
    last = str(path[-1]) if path else "document"
    match found["type"]:
        case "refused" if value is None and path and isinstance(path[-1], str):
            return f"`{last}` has no value", context["suggestion"]
        case "refused":
            return context["said"], context["suggestion"]
        case "missing":
            return f"`{last}` is missing", _add(around, last)
        case "extra_forbidden":
            document: type[DocumentModel] = around
            return document.about_unknown_key(last)
        case _ if value is None:
            return f"`{last}` has no value", "Write one"
        case "literal_error":
            return f"{quote_value(value)} is not allowed", did_you_mean(str(value), map(str, get_args(_unwrap(at))))
        case "model_type" | "dict_type":
            return f"{quote_value(value)} is not a mapping", _keys(around, at, last)
        case "tuple_type":
            return f"{quote_value(value)} is not a list", f"Write one `- {_item(at)}` line for each item"
        case "too_short" if isinstance(value, dict):
            return f"`{last}` has only {len(value)}", f"Write {context['min_length']} or more"
        case "too_long":
            return f"`{last}` has {len(value)}", f"Keep it within {context['max_length']}"
        case "too_short":
            return "the list is empty", "Write at least one item, or leave the key out"
        case "string_type":
            unlike = isinstance(value, dict | list)
            remedy = "Write one text, and one that begins with `[` or `{` in quotes" if unlike else "Put it into quotes"
            return f"{quote_value(value)} is not a text", remedy
        case "int_type":
            return f"{quote_value(value)} is not a whole number", "Write digits only, without quotes"
        case "bool_type":
            return f"{quote_value(value)} is neither true nor false", "Write `true` or `false`"
        case "greater_than_equal" | "less_than_equal":
            bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']:,}"
            return f"{quote_value(value)} is out of bounds", f"`{last}` is {bound}"
        case "string_pattern_mismatch" if context["pattern"] == SLUG:
            return f"{quote_value(value)} is not a slug", _slug(value)
        case "string_pattern_mismatch":
            return f"{quote_value(value)} has another form than is expected here", _form(
                around, last, context["pattern"]
            )
        case "string_too_long" | "string_too_short":
            bounds = f"at most {context['max_length']}" if "max_length" in context else "at least one"
            return f"the text has {len(value)} characters", f"Write {bounds}"
        case _:
            return f"{quote_value(value)}: {found['msg']}", "Change it accordingly"


def _locate(model: type[DocumentModel], location: tuple[str | int, ...]) -> tuple[Path, Any, Any]:
    """Return a path in the document, the type around its last part, and its own type.

    Pydantic's location also names the chosen member of each union, which no author wrote.
    """
    path: list[str | int] = []
    around: Any = None
    at: Any = model
    for part in location:
        if part == "[key]":
            # A key of a mapping is wrong, and the path ends with it already.
            continue
        bare = _unwrap(at)
        members = {tag: member for member in get_args(bare) if (tag := _tag(member))}
        if members:
            at = members.get(str(part))
            continue
        if get_origin(bare) in (Union, UnionType):
            at = None
            continue
        around = bare
        path.append(part)
        at = _type_within(bare, part)
    return tuple(path), around, at


def _type_within(kind: Any, part: str | int) -> Any:
    """Return the type of an item, a value or a field; None if it is unknown."""
    if isinstance(part, int):
        return next(iter(get_args(kind)), None)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if not _is_document(kind):
        return None
    if (field := kind.named_fields().get(part)) is not None:
        return field.annotation
    extra = kind.__annotations__.get("__pydantic_extra__")
    return get_args(extra)[1] if get_origin(extra) is dict else None


def _unwrap(kind: Any) -> Any:
    """Unwrap a type: remove annotations, alias and `| None`."""
    while True:
        if isinstance(kind, TypeAliasType):
            kind = kind.__value__
        elif get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, UnionType) and len(members := set(get_args(kind)) - {NoneType}) == 1:
            (kind,) = members
        else:
            return kind


def _tag(member: Any) -> str | None:
    if get_origin(member) is not Annotated:
        return None
    return next((one.tag for one in get_args(member)[1:] if isinstance(one, Tag)), None)


def _is_document(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, DocumentModel)


def _keys(around: Any, at: Any, name: str) -> str:
    bare = _unwrap(at)
    if _is_document(bare):
        return f"Write its keys: {', '.join(bare.named_fields())}"
    field = around.named_fields().get(name) if _is_document(around) else None
    description = field.description if field is not None else None
    return f"Write `{name}: {{…}}`" + (f": {description}" if description else "")


def _item(kind: Any) -> str:
    """Show an item of a list in short."""
    item = _unwrap(_type_within(_unwrap(kind), 0))
    required = [key for key, field in item.named_fields().items() if field.is_required()] if _is_document(item) else []
    if _is_document(item) and issubclass(item, TriggerModel):
        required = [TRIGGER_KEYS[0], *required]
    return f"{{{', '.join(f'{key}: …' for key in required)}}}" if required else "…"


def _add(around: Any, field: str) -> str:
    info = around.named_fields()[field]
    if info.description:
        return f"Add `{field}: …`: {info.description}"
    options = get_args(_unwrap(info.annotation)) if get_origin(_unwrap(info.annotation)) is Literal else ()
    return f"Add `{field}: …`" + (f", one of {', '.join(options)}" if options else "")


def _form(around: Any, name: str, pattern: str) -> str:
    field = around.named_fields().get(name) if _is_document(around) else None
    description = field.description if field is not None else None
    return f"`{name}` is {description}" if description else f"Write what fits the pattern `{pattern}`"


def _slug(value: Any) -> str:
    proposal = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:64]
    rule = "Lowercase letters and digits, joined by single hyphens"
    return f"Did you mean `{proposal}`? {rule}" if proposal else rule
