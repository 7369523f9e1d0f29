"""Warnings about names in campaigns and segments that were never reported."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from domain.campaign.triggers.kinds import TRIGGERS
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import find_closest
from domain.tracking.event import ANY, NAMED_CALLS, EventType
from domain.tracking.reactions import is_reaction

ReportedName = tuple[EventType, str]

# The keys of triggers by names that clients choose, and the types of their events.
_KEYS: Final[Mapping[str, EventType]] = {kind.key: kind.kind for kind in TRIGGERS if kind.kind in NAMED_CALLS}
_NOUNS: Final[Mapping[EventType, str]] = {type: key for key, type in _KEYS.items()}
# Under these keys, `event` and the others are ordinary names, or what a step reports itself.
_VALUES: Final = frozenset({"properties", "update_profile", "emit_event"})


def never_seen_warnings(
    source: YamlSource,
    named: Iterable[tuple[Path, ReportedName]],
    reported: Mapping[ReportedName, int],
    known: Collection[ReportedName],
    crowded: Collection[str],
    days: int,
) -> list[Problem]:
    """Warn about `named` names that nothing has reported, each with its path.

    `reported` are all names that were reported, each with its number in the last `days`. `known` names need no report:
    they are declared, or steps of campaigns report them. `crowded` types, which have more names than are kept, are left
    out. Without any reports there are no warnings.
    """
    if not reported:
        return []
    return [
        _describe_name(source, path, name, reported, days)
        for path, name in named
        if name not in reported and name not in known and name[0] not in crowded and not is_reaction(name[1])
    ]


def never_seen_traits(source: YamlSource, path: Path, named: Iterable[str], known: Collection[str]) -> list[Problem]:
    """Warn about traits of an expression that nothing states, if any is known."""
    remedy = "It is unknown until a call states it; `sojourn events seen --type identify` shows those that are"
    return [
        source.problem(
            path,
            f"the trait `{name}` was never reported",
            remedy if (close := find_closest(name, known)) is None else f"Did you mean `{close}`?",
        )
        for name in dict.fromkeys(named)
        if known and name not in known
    ]


def _describe_name(
    source: YamlSource, path: Path, name: ReportedName, reported: Mapping[ReportedName, int], days: int
) -> Problem:
    type, written = name
    said = f"the {_NOUNS[type]} `{written}` was never reported"
    names = {other: number for (of, other), number in reported.items() if of == type}
    close = find_closest(written, names)
    if close is None:
        close = next((other for other in names if other.casefold() == written.casefold()), None)
    if close is not None:
        return source.problem(path, said, f"Did you mean `{close}`, {_times(names[close])} in {days} days?")
    for (of, other), number in reported.items():
        if other == written and of in _NOUNS:
            return source.problem(
                path, said, f"Did you mean the {_NOUNS[of]} of this name, {_times(number)} in {days} days?"
            )
    return source.problem(path, said, "It takes effect once it is; `sojourn events seen` shows those that are")


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def iter_named(value: Any, path: Path = ()) -> Iterator[tuple[Path, ReportedName]]:
    """Iterate over the names under the keys of triggers, with their paths."""
    match value:
        case dict():
            for key, item in value.items():
                if key in _VALUES:
                    continue
                type = _KEYS.get(key)
                if type is not None and isinstance(item, str) and item != ANY:
                    yield (*path, key), (type, item)
                else:
                    yield from iter_named(item, (*path, key))
        case list():
            for index, item in enumerate(value):
                yield from iter_named(item, (*path, index))
