"""Write docs/settings.md from settings.py: `python -m tests.docs.settings_page`."""

from collections.abc import Iterator
from enum import StrEnum
from inspect import getdoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import settings
import settings_console
import settings_temporal
from settings_sources import OUTBOUND, OUTBOUND_FOLDER, OUTBOUND_PREFIX, PREFIX, TEMPORAL, TEMPORAL_ONLY

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"
CLASSES: Final[dict[str, type[BaseSettings]]] = {
    "PostgreSQL": settings.DatabaseSettings,
    "ClickHouse": settings.ClickHouseSettings,
    "Temporal": settings_temporal.TemporalSettings,
    "Encrypted payloads": settings_temporal.PayloadSettings,
    "Temporal UI": settings_temporal.UiSettings,
    "Codec server": settings_temporal.CodecServerSettings,
    "API": settings.ApiSettings,
    "Console": settings_console.ConsoleSettings,
    "Campaigns": settings.CampaignSettings,
    "Decisions": settings.DecisionSettings,
    "Messages": settings.MessageSettings,
    "Mail server": settings.MailSettings,
    "Metrics and health": settings.WatchSettings,
}
_HEAD: Final = """\
# Settings

<!-- `make settings` writes this page from settings.py. -->

API, worker and commands read the same environment variables at their start. A process reports all invalid settings,
one line each, with the remedy and without the value, and ends with status 1. `sojourn check` tries them on the servers
that they name.

A secret may stand in a file, which the variable with `_FILE` names; [operations.md](operations.md#settings-and-secrets)
says how secrets are made and replaced. Items of a list are separated by commas. [cli.md](cli.md#which-deployment)
says how the command line finds an API.
"""


def page() -> str:
    """Return the page as it should be."""
    sections = [_section(title, described) for title, described in CLASSES.items()]
    return "\n".join([_HEAD, *sections])


def own_fields(described: type[BaseSettings]) -> dict[str, FieldInfo]:
    """Return the fields that the class itself declares."""
    return {name: field for name, field in described.model_fields.items() if name in described.__annotations__}


def _section(title: str, described: type[BaseSettings]) -> str:
    rows = "\n".join(_row(name, field) for name, field in own_fields(described).items())
    return f"## {title}\n\n{getdoc(described)}\n\n| variable | value | default | meaning |\n|---|---|---|---|\n{rows}\n"


def _row(name: str, field: FieldInfo) -> str:
    variables = ", ".join(f"`{variable}`" for variable in _variables(name, field))
    default = "required" if field.is_required() else _default(field.default)
    example = "".join(f", such as `{example}`" for example in field.examples or () if example.startswith("{"))
    value = "secret" if name == OUTBOUND else _value(field)
    return f"| {variables} | {value} | {default} | {field.description}{example} |"


def _variables(name: str, field: FieldInfo) -> Iterator[str]:
    ours = f"{PREFIX}{name.upper()}"
    if name in TEMPORAL_ONLY:
        yield f"{name.upper()}{'_…' if _origin(field.annotation) is dict else ''}"
        return
    if name == OUTBOUND:
        yield from (f"{OUTBOUND_PREFIX}<NAME>{suffix}" for suffix in ("", "_FILE", "_HOSTS"))
        yield OUTBOUND_FOLDER
        return
    yield ours
    if _is_secret(field):
        yield f"{ours}_FILE"
    if name in TEMPORAL:
        yield name.upper()


def _value(field: FieldInfo) -> str:
    if _is_secret(field):
        return "secret"
    kind = _kinds(field.annotation)[0]
    metadata = list(field.metadata)
    if get_origin(kind) is Annotated:
        # As a member of a union, it keeps its bounds.
        kind, *own = get_args(kind)
        metadata += [each for info in own for each in getattr(info, "metadata", [info])]
    bounds = {type(each): each for each in metadata}
    match _origin(kind):
        case origin if origin is Literal:
            return ", ".join(f"`{value}`" for value in get_args(kind))
        case origin if isinstance(origin, type) and issubclass(origin, StrEnum):
            return ", ".join(f"`{value}`" for value in origin)
        case origin if origin is bool:
            return "`true` or `false`"
        case origin if origin is int:
            least, most = bounds.get(Ge), bounds.get(Le)
            return f"{least.ge}{f' to {most.le}' if most else ' or more'}" if least else "number"
        case origin if origin is tuple:
            return "list"
        case origin if origin is dict:
            # Texts are of one variable each, as Temporal has it.
            return "text" if get_args(kind)[1] is str else "JSON"
    return "text"


def _default(value: object) -> str:
    match value:
        case None | () | dict():
            return "none"
        case SecretStr():
            return f"`{value.get_secret_value()}`" if value.get_secret_value() else "none"
        case bool():
            return f"`{str(value).lower()}`"
        case tuple():
            return f"`{','.join(value)}`"
    return f"`{value}`"


def _is_secret(field: FieldInfo) -> bool:
    return SecretStr in _kinds(field.annotation)


def _kinds(annotation: Any) -> list[Any]:
    """Return the members of a union without None, or the one type."""
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [member for member in members if member is not NoneType]


def _origin(annotation: Any) -> Any:
    return get_origin(annotation) or annotation


if __name__ == "__main__":
    PAGE.write_text(page())
