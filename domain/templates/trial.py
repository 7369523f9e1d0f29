"""Render a template for generated people before it is published.

A template whose names and filters are right may still fail for everybody (`{{ 'soon' | date: '%d' }}`), or for people
who lack a value. No document says what kind of value a variable has, so each is tried out: a text, a number, a date, a
list, an object. Only a failure that no data changes is taken for certain.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from domain.errors import Problem
from domain.templates.liquid_context import Localization
from domain.templates.liquid_text import VARIABLES, TemplateRenderError
from domain.templates.template_sets import TemplateSet

# Each takes a millisecond or so for an ordinary mail.
MAX_RENDERINGS: Final = 400
# In a warning; an author looks at the first ones.
MAX_NAMED: Final = 5
MAX_EXAMPLE_CHARACTERS: Final = 300

_DATA: Final = ("profile.traits.", "entry.properties.")
_NOW: Final = datetime(2027, 1, 15, 10, 0, tzinfo=UTC)
# By kind, in the order in which they are tried. None: a list or an object of what the loops of the template name.
_SAMPLES: Final[Mapping[str, Any]] = {
    "text": "Sample",
    "number": 42,
    "date": "2027-01-15T10:00:00Z",
    "yes": True,
    "list": None,
    "object": None,
}
# What a value may be although it is there.
_ODD: Final[tuple[Any, ...]] = ("", "n/a", 0, [], {})

Kinds = dict[str, str]


def try_out(
    template: TemplateSet, *, is_transactional: bool, known: frozenset[str]
) -> tuple[list[Problem], list[Problem]]:
    """What fails for everybody, and as warnings what fails for some, with an example of theirs.

    A transactional message has no `unsubscribe_url`. `known` are the paths that everybody who enters has.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for language in template.variants:
        trial = _Trial(template, language, is_transactional, known)
        problems += trial.problems()
        warnings += trial.warnings()
    return problems, warnings


class _Trial:
    def __init__(self, template: TemplateSet, language: str, is_transactional: bool, known: frozenset[str]) -> None:
        self._template = template
        self._language = language
        self._is_transactional = is_transactional
        self._known = known
        self._left = MAX_RENDERINGS
        self._leaves = _leaves(template.variables)
        self._items = _item_fields(template.variables)
        self._seen: dict[str, TemplateRenderError] = {}
        self._fitting = self._fit()

    def problems(self) -> Iterator[Problem]:
        """The failure that no data changed."""
        if self._fitting is None and len(self._seen) == 1:
            [failure] = self._seen.values()
            hint = "No value changes that: mend it there"
            if self._is_transactional and "unsubscribe_url" in failure.reason:
                hint = "A transactional message cannot be refused: print it within {% if unsubscribe_url %}"
            yield failure.place.problem(f"the message fails for everybody: {failure.reason}", hint)

    def warnings(self) -> Iterator[Problem]:
        if self._fitting is None:
            if len(self._seen) > 1:
                failure = list(self._seen.values())[-1]
                said = f"the message failed for all generated people, at last here: {failure.reason}"
                yield failure.place.problem(said, "Try it with the data of a real user")
            return
        yield from self._missing(self._fitting)

    def _missing(self, fitting: Kinds) -> Iterator[Problem]:
        """Each value left out, or odd, by itself."""
        failures: dict[str, TemplateRenderError] = {}
        example: dict[str, Any] = {}
        for path in sorted(self._leaves - self._known):
            data = _data({other: self._value(kind) for other, kind in fitting.items() if other in self._leaves})
            without = _without(data, path)
            for candidate in (without, *(_with(without, path, odd) for odd in _ODD)):
                if (failure := self._render(candidate)) is not None:
                    example = example or candidate
                    failures[path] = failure
                    break
        if not failures:
            return
        named = [f"`{path}`" for path in failures]
        more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
        first = next(iter(failures.values()))
        said = f"the message fails for people without {', '.join(named[:MAX_NAMED])}{more}, or with an odd value there"
        shown = json.dumps(example, ensure_ascii=False)
        if len(shown) > MAX_EXAMPLE_CHARACTERS:
            shown = f"{shown[:MAX_EXAMPLE_CHARACTERS]}…"
        yield first.place.problem(f"{said}: {first.reason}", f"Give it a `default`; it failed for {shown}")

    def _fit(self) -> Kinds | None:
        """Kinds of values with which it can be rendered; None where none were found."""
        names = sorted(self._leaves | self._items)
        for kind in _SAMPLES:
            kinds = dict.fromkeys(names, kind)
            if self._try(kinds) is None:
                return kinds
        kinds = dict.fromkeys(names, "text")
        if self._render({}) is None:
            return kinds
        current = self._try(kinds)
        for name in [*names, *names]:
            for kind in _SAMPLES:
                tried = {**kinds, name: kind}
                failure = self._try(tried)
                if failure is None:
                    return tried
                if str(failure) != str(current):
                    # It fails elsewhere now: this value fits.
                    kinds, current = tried, failure
                    break
        return None

    def _try(self, kinds: Kinds) -> TemplateRenderError | None:
        return self._render(_data({name: self._value(kinds[name], kinds) for name in kinds if name in self._leaves}))

    def _value(self, kind: str, kinds: Kinds | None = None) -> Any:
        fields = {name: _SAMPLES[(kinds or {}).get(name, "text")] or "Sample" for name in self._items}
        item = _data({name.partition(".")[2]: value for name, value in fields.items()})
        return {"list": [item, item], "object": item}.get(kind, _SAMPLES[kind])

    def _render(self, data: Mapping[str, Any]) -> TemplateRenderError | None:
        """Why it cannot be rendered with this data. Once too many were tried, nothing fails any more."""
        self._left -= 1
        if self._left < 0:
            return None
        variables: dict[str, Any] = {
            "profile": {"user_id": "u-1", "traits": data.get("profile", {}).get("traits", {})},
            "entry": {
                "event": "Sample",
                "properties": data.get("entry", {}).get("properties", {}),
                "timestamp": _SAMPLES["date"],
            },
            "campaign": {"key": "sample", "name": "Sample"},
            "message": {"id": "sample"},
        }
        if not self._is_transactional:
            variables["unsubscribe_url"] = "https://example.com/unsubscribe/sample"
        failure = self._template.failures(variables, Localization("en", UTC, _NOW)).get(self._language)
        if failure is not None:
            self._seen.setdefault(str(failure), failure)
        return failure


def _leaves(variables: frozenset[str]) -> set[str]:
    """The paths of people's data that hold values; of `a.b` and `a.b.c`, the longer. An index ends a path."""
    paths = {re.split(r"\[", path)[0] for path in variables if path.startswith(_DATA)}
    return {path for path in paths if not any(other.startswith(f"{path}.") for other in paths)}


def _item_fields(variables: frozenset[str]) -> set[str]:
    """What is named of the items of lists: `item.price`."""
    return {path for path in variables if path.partition(".")[0] not in VARIABLES and "." in path and "[" not in path}


def _data(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested objects from values by their paths."""
    data: dict[str, Any] = {}
    for path, value in sorted(values.items()):
        data = _with(data, path, value)
    return data


def _with(data: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    if not rest:
        return {**data, name: value}
    inner = data.get(name)
    return {**data, name: _with(inner if isinstance(inner, Mapping) else {}, rest, value)}


def _without(data: Mapping[str, Any], path: str) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    if rest and isinstance(inner := data.get(name), Mapping):
        return {**data, name: _without(inner, rest)}
    return {key: value for key, value in data.items() if key != name}
