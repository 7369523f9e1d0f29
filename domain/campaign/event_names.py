"""Names of events that no client is likely to report: in quotes, or with characters that look like others."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem

_DOUBLE, _SINGLE = "“”„‟«»″", "‘’‚‛′`´"
_PLAIN = str.maketrans({**dict.fromkeys(_DOUBLE, '"'), **dict.fromkeys(_SINGLE, "'"), "–": "-", "—": "-", "‑": "-"})
# Below these anything may be called `event`.
_VALUES = ("properties", "update_profile")


def check_event_names(source: YamlSource) -> Iterator[Problem]:
    """Names that stand in quotes: those are part of the name here, and of none that is reported."""
    for path, name in _names(source.data):
        likely = likely_name(name)
        if likely != name and _is_quoted(name):
            yield source.problem(path, f"the quotes are part of the name `{name}`", f"Did you mean `{likely}`?")


def event_name_warnings(source: YamlSource) -> Iterator[Problem]:
    """Names with curly quotes, long dashes and odd spaces, as word processors write them."""
    for path, name in _names(source.data):
        if (likely := likely_name(name)) != name and not _is_quoted(name):
            said = f"`{name}` is another name than `{likely}`, which looks like it"
            yield source.problem(path, said, f"Write `{likely}`, unless it is reported as it stands here")


def likely_name(name: str) -> str:
    """A name as a person would type it."""
    typed = " ".join(unicodedata.normalize("NFKC", name.translate(_PLAIN)).split())
    return typed[1:-1].strip() if re.fullmatch(r"""(["']).+\1""", typed) else typed


def _is_quoted(name: str) -> bool:
    return bool(re.fullmatch(r"""(["']).+\1""", name.translate(_PLAIN)))


def _names(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """The names of events in a document, wherever it has any."""
    match value:
        case str() if path and path[-1] in ("event", "emit_event"):
            yield path, value
        case dict():
            for key, item in value.items():
                if key not in _VALUES:
                    yield from _names(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from _names(item, (*path, index))
