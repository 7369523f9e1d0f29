"""Render templates for generated people before they are published.

A template with valid names and filters may still fail for everybody (`{{ 'soon'
date: '%d' }}`), or for people who lack a value. The first is refused, so it must be certain: it is rendered without
data. For the second, people are generated with the data that the template seems to expect, each value missing or odd in
turn, and each failure is a warning.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from domain.channels.kind import Variant
from domain.errors import Problem
from domain.people.account_view import AccountView
from domain.people.learned import LearnedRow
from domain.templates.expected_data import ABSENT, ITEM, SAMPLE_TEXT, DataPath, ExpectedData, Kind, path_text
from domain.templates.liquid_context import MAX_WORK, Localization, Rendering
from domain.templates.liquid_nodes import walk_nodes
from domain.templates.liquid_text import SourceLocation, TemplateRenderError
from domain.templates.template_sets import TemplateSet
from domain.templates.variables import (
    CONFIRM_URL,
    PREFERENCES_URL,
    ROOTS,
    UNSUBSCRIBE_URL,
    TemplateFacts,
    build_variables,
)

# The total work of one document's trials, in units, and the extra work of each rendering and node: about a second. A
# small mail takes a thousand for a rendering.
MAX_TRIAL_WORK: Final = MAX_WORK
RENDERING_WORK: Final = 200
NODE_WORK: Final = 4
# Paths in a warning, and warnings of a variant: authors read the first ones.
MAX_NAMED: Final = 5
MAX_PLACES: Final = 20
MAX_EXAMPLE_CHARACTERS: Final = 300
# Literals tried for a value that the template compares.
MAX_LITERALS: Final = 3

_LOCALIZATION = Localization("en", UTC, datetime(2027, 1, 15, 10, 0, tzinfo=UTC))
_DATE = "2027-01-15T10:00:00Z"
_LEARNED: Final[LearnedRow] = {
    "first_seen": _DATE,
    "last_seen": _DATE,
    "sessions": 1,
    "marks": {"app_version": (0, SAMPLE_TEXT), "country": (0, SAMPLE_TEXT)},
}
_SAMPLES: Final[Mapping[Kind, Any]] = {
    "text": SAMPLE_TEXT,
    "number": 7,
    "date": _DATE,
    "currency": "EUR",
}
SAMPLE_LINK: Final = "https://example.com/sample"
# As a shop names what leads to a page or a picture: `checkout_url`, `imageUrl`.
_LINK_NAME: Final = re.compile(r"(url|uri|link|href|image|img|picture|photo|avatar|logo|src)s?$", re.IGNORECASE)
# Odd values of each kind, which a template can test for. Liquid cannot test whether a text is a number or a date, so an
# author could not follow such a warning.
_ODD: Final[Mapping[Kind, tuple[Any, ...]]] = {
    "text": ("",),
    "number": (0,),
    "date": (),
    "currency": (),
    "list": ([],),
}

_Change = tuple[DataPath, Any]
_Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Failed:
    """A value that must not be missing or odd: its failure, and the data of that."""

    path: DataPath
    is_missing: bool
    failure: TemplateRenderError
    data: _Data


@dataclass(frozen=True, slots=True)
class Trials:
    """The failures of all people, and warnings for some: one for each place.

    `needs` are the paths without which a message fails, as far as the work has sufficed.
    """

    problems: list[Problem]
    warnings: list[Problem]
    needs: frozenset[str]


def try_templates(sends: Iterable[tuple[TemplateSet, bool]], known: frozenset[str]) -> "Trials":
    """Render the templates of messages for everybody, and for generated people.

    Each template comes with whether the message is transactional: such a message has no `unsubscribe_url`. `known` are
    the paths that everybody has who enters.
    """
    trials = [
        _Trial(variant, is_transactional, known | template.known_paths)
        for template, is_transactional in sends
        for variant in template.variants.values()
    ]
    problems: list[Problem] = []
    warnings: list[Problem] = []
    needs: set[str] = set()
    left = MAX_TRIAL_WORK
    for number, trial in enumerate(trials):
        trial.left = share = left // (len(trials) - number)
        failing = list(trial.problems())
        problems += failing
        if not failing:
            with suppress(_WorkUsedUpError):
                warnings += trial.warnings()
            needs |= trial.needs
        left -= share - trial.left
    return Trials(problems, warnings, frozenset(needs))


# The links that transactional messages do not have.
_REFUSING = {UNSUBSCRIBE_URL.name, PREFERENCES_URL.name}


class _WorkUsedUpError(Exception):
    """The renderings of a variant have used up their work."""


class _Trial:
    """One variant. `left` is the work left for its renderings.

    `needs` are the paths without which it fails, once its warnings were found.
    """

    def __init__(self, variant: Variant, is_transactional: bool, known: frozenset[str]) -> None:
        self.left = 0
        self.needs: set[str] = set()
        self._variant = variant
        self._is_transactional = is_transactional
        self._known = known
        self._own_work = RENDERING_WORK + NODE_WORK * sum(1 for text in variant.texts() for _ in walk_nodes(text.nodes))

    def problems(self) -> Iterator[Problem]:
        """Find the failures that are certain."""
        rendering = Rendering({}, _LOCALIZATION)
        unknown = frozenset(ROOTS) - (_REFUSING if self._is_transactional else {CONFIRM_URL.name})
        for text in self._variant.texts():
            for failure in text.failures(rendering, unknown):
                hint = "No value changes that: repair it there"
                if (name := next((one for one in _REFUSING if one in failure.reason), None)) is not None:
                    hint = f"A transactional message cannot be refused: print it within {{% if {name} %}}"
                elif CONFIRM_URL.name in failure.reason:
                    hint = "Write `category: transactional`: a mail that asks for a consent cannot need one"
                yield failure.place.problem(f"the message fails for everybody: {failure.reason}", hint)
        self._charge(rendering)

    def warnings(self) -> Iterator[Problem]:
        """Find the failures of generated people."""
        expected = ExpectedData(text.nodes for text in self._variant.texts())
        before = self.left
        failure: TemplateRenderError | None = None
        for values in find_fitting(expected):
            data = expected.sample(values)
            if (failure := self._render(data)) is None:
                break
        if failure is not None:
            said = f"the message failed for all generated people, most recently here: {failure.reason}"
            yield failure.place.problem(
                said, f"Try it with the data of a real user; it failed for {_example_text(data)}"
            )
            return
        failures = _Failures(self._render, expected, values)
        with suppress(_WorkUsedUpError):
            failures.find(self._known, self.left // (before - self.left))
        self.needs = {
            path_text(path) for path, failed in failures.found.items() if failed.is_missing and ITEM not in path
        }
        places: dict[SourceLocation, list[_Failed]] = {}
        for failed in self._everywhere(failures.found.values()):
            places.setdefault(failed.failure.place, []).append(failed)
        for place in sorted(places, key=lambda place: (place.file, place.line))[:MAX_PLACES]:
            yield _make_warning(place, places[place], max(len(places) - MAX_PLACES, 0))

    def _everywhere(self, found: Iterable[_Failed]) -> Iterator[_Failed]:
        """Yield these, and other places where the same data fails, as work permits."""
        for failed in found:
            yield failed
            if self.left < 0:
                continue
            rendering = self._make_rendering(failed.data)
            for text in self._variant.texts():
                for failure in text.failures(rendering):
                    if failure.place != failed.failure.place:
                        yield replace(failed, failure=failure)
            self._charge(rendering)

    def _render(self, data: _Data) -> TemplateRenderError | None:
        """Return why this data cannot be rendered. Raises _WorkUsedUpError."""
        if self.left < 0:
            raise _WorkUsedUpError
        rendering = self._make_rendering(data)
        try:
            self._variant.render(rendering)
        except TemplateRenderError as failure:
            return failure
        finally:
            self._charge(rendering)
        return None

    def _make_rendering(self, data: _Data) -> Rendering:
        facts = replace(
            make_facts(data),
            unsubscribe_url=None if self._is_transactional else "https://example.com/unsubscribe/sample",
            preferences_url=None if self._is_transactional else "https://example.com/preferences/sample",
            confirm_url="https://example.com/confirm/sample" if self._is_transactional else None,
        )
        return Rendering(build_variables(facts), _LOCALIZATION)

    def _charge(self, rendering: Rendering) -> None:
        self.left -= self._own_work + MAX_WORK - rendering.budget.left


class _Failures:
    """The values that must not be missing or odd, each with its first failure."""

    def __init__(
        self,
        render: Callable[[_Data], TemplateRenderError | None],
        expected: ExpectedData,
        values: Mapping[DataPath, Any],
    ) -> None:
        self.found: dict[DataPath, _Failed] = {}
        self._render = render
        self._expected = expected
        self._values = values

    def find(self, known: frozenset[str], renderings: int) -> None:
        """Try each change of a value, in groups if there are too few renderings."""
        leaves = sorted((leaf for leaf in self._expected.leaves() if path_text(leaf) not in known), key=path_text)
        absent: list[_Change] = [(leaf, ABSENT) for leaf in leaves if leaf[-1] != ITEM]
        # For a loop, an object is a list of pairs, which are never empty.
        odd: list[_Change] = [
            (leaf, value)
            for leaf in leaves
            if leaf[-1] != ITEM or self._expected.kind(leaf) != "list"
            for value in _odd(self._expected, leaf)
        ]
        at_once = 1 + 2 * (len(absent) + len(odd)) // max(renderings, 1)
        for changes in (absent, odd):
            groups = -(-len(changes) // at_once)
            for group in range(groups):
                self._try([change for change in changes[group::groups] if change[0] not in self.found])
        if not self.found:
            self._try(absent)

    def _try(self, changes: Sequence[_Change]) -> None:
        """Find the changes that make it fail: one by one if possible, else together."""
        data = self._expected.sample({**self._values, **dict(changes)})
        if not changes or (failure := self._render(data)) is None:
            return
        before = len(self.found)
        together = {path: _Failed(path, value is ABSENT, failure, data) for path, value in changes}
        try:
            if len(changes) > 1:
                self._try(changes[: len(changes) // 2])
                self._try(changes[len(changes) // 2 :])
        except _WorkUsedUpError:
            if not self.found:
                self.found |= together
            raise
        if len(self.found) == before:
            self.found |= together


def make_facts(data: _Data) -> TemplateFacts:
    """Return the facts of a generated person with this data, without links."""
    return TemplateFacts(
        user_id="u-1",
        traits=data["profile"]["traits"],
        computed=data["profile"]["computed"],
        account=AccountView(SAMPLE_TEXT, SAMPLE_TEXT, data["account"]["traits"]),
        stage=SAMPLE_TEXT,
        learned=_LEARNED,
        locale="en",
        postal_address=SAMPLE_TEXT,
        event=SAMPLE_TEXT,
        anonymous_id="sample",
        properties=data["entry"]["properties"],
        timestamp=_DATE,
        campaign_key="sample",
        campaign_name=SAMPLE_TEXT,
        message_id="sample",
        saved=data["journey"]["saved"],
        answers=data["journey"]["answers"],
        unsubscribe_url=None,
        preferences_url=None,
        confirm_url=None,
        survey_url="https://example.com/survey/sample",
        booking_reference="sample",
    )


def _make_warning(place: SourceLocation, failing: Sequence[_Failed], more_places: int) -> Problem:
    failing = sorted(failing, key=lambda failed: path_text(failed.path))
    missing = [failed for failed in failing if failed.is_missing]
    odd = [failed for failed in failing if not failed.is_missing]
    people = [f"without {_name_places(missing)}"] if missing else []
    people += [f"with an odd value of {_name_places(odd)}"] if odd else []
    said = f"the message fails for people {', or '.join(people)}"
    # A value without which it fails is named already.
    if unnamed := [failed for failed in failing if not (failed.is_missing and failed.failure.lacks_value)]:
        said += f": {unnamed[0].failure.reason}"
    suggestion = ". ".join(dict.fromkeys(map(_remedy, failing)))
    if odd:
        suggestion += f"; it failed for {_example_text(odd[0].data)}"
    if more_places:
        suggestion += f". It fails at {more_places} more places"
    return place.problem(said, suggestion)


def _name_places(failing: Sequence[_Failed]) -> str:
    paths = list(dict.fromkeys(path_text(failed.path) for failed in failing))
    more = f" and {len(paths) - MAX_NAMED} more" if len(paths) > MAX_NAMED else ""
    return ", ".join(f"`{path}`" for path in paths[:MAX_NAMED]) + more


def _remedy(failed: _Failed) -> str:
    if not failed.is_missing:
        return "Test the value with an `if` before it is used, or repair it where the data comes from"
    if failed.failure.lacks_value:
        can_be_required = failed.path[0] != "journey" and all(str(part).isidentifier() for part in failed.path)
        remedy = "Give it a `default`" + (", or require it in the entry's `where`" if can_be_required else "")
        if failed.path[:2] == ("profile", "computed"):
            remedy += ". A `count`, a `sum` or an `any` lacks its value only while past events are counted"
        return remedy
    return "Use it within an `if` only, or give it a `default` that fits"


def find_fitting(expected: ExpectedData) -> Iterator[dict[DataPath, Any]]:
    """Iterate over data for which the template may be valid, the likely first."""
    kinds = {leaf: kind for leaf in expected.leaves() if (kind := expected.kind(leaf)) != "list"}
    likely = {leaf: _find_sample(leaf, kind) for leaf, kind in kinds.items()}
    yield likely
    yield likely | {leaf: literals[0] for leaf, literals in expected.literals.items() if literals and leaf in kinds}
    for other in ("number", "date"):
        yield {leaf: _SAMPLES[other] if likely[leaf] == SAMPLE_TEXT else likely[leaf] for leaf in kinds}
    yield {leaf: SAMPLE_LINK if likely[leaf] == SAMPLE_TEXT else likely[leaf] for leaf in kinds}


def _find_sample(leaf: DataPath, kind: Kind) -> Any:
    """Return a value of a kind; a text whose name says so is a link."""
    name = next((part for part in reversed(leaf) if isinstance(part, str)), "")
    return SAMPLE_LINK if kind == "text" and _LINK_NAME.search(name) else _SAMPLES[kind]


def _odd(expected: ExpectedData, leaf: DataPath) -> tuple[Any, ...]:
    """Return odd values for a path."""
    return (*_ODD[expected.kind(leaf)], *expected.literals.get(leaf, ())[:MAX_LITERALS])


def _example_text(data: Mapping[str, Any]) -> str:
    shown = json.dumps(data, ensure_ascii=False)
    return shown if len(shown) <= MAX_EXAMPLE_CHARACTERS else f"{shown[:MAX_EXAMPLE_CHARACTERS]}…"
