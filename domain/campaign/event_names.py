"""Event names that no client reports: in quotes, or with lookalike characters."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from domain.campaign.triggers.kinds import TRIGGERS
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem

_DOUBLE, _SINGLE = "“”„‟«»″", "‘’‚‛′`´"
_PLAIN = str.maketrans({**dict.fromkeys(_DOUBLE, '"'), **dict.fromkeys(_SINGLE, "'"), "–": "-", "—": "-", "‑": "-"})
# Under these keys are names that clients report.
_NAMED = ("emit_event", *(kind.key for kind in TRIGGERS if kind.is_reported))
# Under these keys, `event` is an ordinary name.
_VALUES = ("properties", "update_profile")


def check_event_names(source: YamlSource) -> Iterator[Problem]:
    """Find names in quotes in a campaign."""
    return check_names(source, iter_names(source.data, _NAMED))


def check_names(source: YamlSource, names: Iterable[tuple[Path, str]]) -> Iterator[Problem]:
    """Find names in quotes: the quotes would be part of the name."""
    for path, name in names:
        likely = normalize_name(name)
        if likely != name and _is_quoted(name):
            yield source.problem(path, f"the quotes are part of the name `{name}`", f"Did you mean `{likely}`?")


def event_name_warnings(source: YamlSource) -> Iterator[Problem]:
    """Warn about curly quotes, long dashes and odd spaces, typical of word processors."""
    for path, name in iter_names(source.data, _NAMED):
        if (likely := normalize_name(name)) != name and not _is_quoted(name):
            said = f"`{name}` is another name than `{likely}`, which looks like it"
            yield source.problem(path, said, f"Write `{likely}`, unless it is reported as it stands here")


def normalize_name(name: str) -> str:
    """Return a name as a person would type it."""
    typed = " ".join(unicodedata.normalize("NFKC", name.translate(_PLAIN)).split())
    return typed[1:-1].strip() if re.fullmatch(r"""(["']).+\1""", typed) else typed


def _is_quoted(name: str) -> bool:
    return bool(re.fullmatch(r"""(["']).+\1""", name.translate(_PLAIN)))


def iter_names(value: Any, keys: Collection[str], path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Iterate over the names of events under these keys of a document."""
    match value:
        case str() if path and path[-1] in keys:
            yield path, value
        case dict():
            for key, item in value.items():
                if key not in _VALUES:
                    yield from iter_names(item, keys, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from iter_names(item, keys, (*path, index))
