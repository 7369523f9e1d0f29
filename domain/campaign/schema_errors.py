"""From what pydantic finds wrong to problems with a line, a path and what would be right."""

import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import Tag, ValidationError
from pydantic_core import ErrorDetails

from domain.campaign.schema import Document, shown
from domain.campaign.suggestions import did_you_mean
from domain.campaign.yaml_source import Path, Source
from domain.errors import Problem

DocumentT = TypeVar("DocumentT", bound=Document)


def validate(model: type[DocumentT], source: Source) -> tuple[DocumentT | None, list[Problem]]:
    """The document as a model, or None, and every problem of its shape."""
    try:
        return model.model_validate(source.data), []
    except ValidationError as error:
        # A list whose items are all wrong counts as too short besides.
        errors = [one for one in error.errors(include_url=False) if one["type"] != "too_short" or not one["input"]]
        return None, [_problem(model, one, source) for one in errors]


def _problem(model: type[Document], found: ErrorDetails, source: Source) -> Problem:
    path, around, at = _located(model, found["loc"])
    value, context = found["input"], found.get("ctx", {})
    last = str(path[-1]) if path else "document"
    match found["type"]:
        case "refused":
            said = context["said"], context["suggestion"]
        case "missing":
            said = f"`{last}` is missing", _add(around, last)
        case "extra_forbidden":
            said = around.about_unknown_key(last)
        case _ if value is None:
            said = f"`{last}` has no value", "Write one"
        case "literal_error":
            said = f"{shown(value)} is not allowed", did_you_mean(str(value), map(str, get_args(_bare(at))))
        case "model_type":
            said = f"{shown(value)} is not a mapping", f"Write its keys: {', '.join(_fields(at))}"
        case "tuple_type":
            said = f"{shown(value)} is not a list", "Write one `- …` line for each item"
        case "too_short":
            said = "the list is empty", "Write at least one item, or leave the key out"
        case "string_type":
            said = f"{shown(value)} is not a text", "Put it into quotes"
        case "int_type":
            said = f"{shown(value)} is not a whole number", "Write digits without quotes"
        case "string_pattern_mismatch":
            said = f"{shown(value)} is not a slug", _slug(value)
        case "string_too_long" | "string_too_short":
            bounds = f"at most {context['max_length']}" if "max_length" in context else "at least one"
            said = f"the text has {len(value)} characters", f"Write {bounds}"
        case _:
            said = f"{shown(value)}: {found['msg']}", "Change it accordingly"
    return source.problem(path, *said)


def _located(model: type[Document], location: tuple[str | int, ...]) -> tuple[Path, Any, Any]:
    """The path in the document, the type around its last part, and the type of its last part where it is known.

    Pydantic's location also names the chosen member of each union, which is nothing that an author wrote.
    """
    path: list[str | int] = []
    around: Any = None
    at: Any = model
    for part in location:
        bare = _bare(at)
        members = {tag: member for member in get_args(bare) if (tag := _tag(member))}
        if members:
            at = members.get(str(part))
            continue
        around = bare
        path.append(part)
        at = _within(bare, part)
    return tuple(path), around, at


def _within(kind: Any, part: str | int) -> Any:
    """The type of an item of a list, of a value of a mapping, or of a field; None where it is not known."""
    if isinstance(part, int):
        return next(iter(get_args(kind)), None)
    if get_origin(kind) is dict:
        return get_args(kind)[1]
    if not _is_document(kind):
        return None
    if (field := kind.keys().get(part)) is not None:
        return field.annotation
    extra = get_type_hints(kind, include_extras=True).get("__pydantic_extra__")
    return get_args(extra)[1] if get_origin(extra) is dict else None


def _bare(kind: Any) -> Any:
    """A type without its annotations and without `| None`."""
    while True:
        if get_origin(kind) is Annotated:
            kind = get_args(kind)[0]
        elif get_origin(kind) in (Union, UnionType) and NoneType in get_args(kind):
            kind = next(member for member in get_args(kind) if member is not NoneType)
        else:
            return kind


def _tag(member: Any) -> str | None:
    if get_origin(member) is not Annotated:
        return None
    return next((one.tag for one in get_args(member)[1:] if isinstance(one, Tag)), None)


def _is_document(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Document)


def _fields(kind: Any) -> list[str]:
    bare = _bare(kind)
    return list(bare.keys()) if _is_document(bare) else []


def _add(around: Any, field: str) -> str:
    info = around.keys()[field]
    if info.description:
        return f"Add `{field}: …`: {info.description}"
    options = get_args(_bare(info.annotation)) if get_origin(_bare(info.annotation)) is Literal else ()
    return f"Add `{field}: …`" + (f", one of {', '.join(options)}" if options else "")


def _slug(value: Any) -> str:
    proposal = re.sub(r"[^a-z0-9]+", "-", str(value).lower()).strip("-")[:64]
    rule = "Lowercase letters and digits, joined by single hyphens"
    return f"Did you mean `{proposal}`? {rule}" if proposal else rule
