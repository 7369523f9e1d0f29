"""The keys that all in-app messages have: on which pages, when, and how often."""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from domain.campaign.durations import DurationError, parse_duration
from domain.channels.in_app.labels import (
    DIRECTIONS,
    LABELS,
    MAX_LABEL_CHARACTERS,
    direction_of,
    labels_of,
)
from domain.channels.in_app.message_kind import InAppKind
from domain.channels.in_app.theme import read_theme
from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.templates.front_matter import Field, Leaf
from domain.templates.mapping_reader import NAME, NAME_FORM, MappingReader
from domain.tracking.url_globs import MAX_GLOBS, read_url_glob

Every = Literal["once", "until_clicked", "until_dismissed", "each_session"]
EVERIES: Final[tuple[Every, ...]] = get_args(Every)
DEFAULT_PRIORITY: Final = 50
MAX_PRIORITY: Final = 100
MAX_TIMES: Final = 100
MAX_BETWEEN_SECONDS: Final = 30 * 86_400
MAX_WAIT_SECONDS: Final = 3_600

_TIMES: Final = re.compile(r"(?P<times>[1-9][0-9]{0,2}) (?:times?|in (?P<span>\S+))")
_REGULAR: Final = re.compile(r"\.\*|\.\+|\\|\$$|^\^|\(|\|")
_LAST_UNTIL_DISMISSED: Final = ("once", "until_dismissed")
_EVERY_FORM: Final = "Others: `3 times`, or `3 in 7d`"


def read_placement(kind: InAppKind, fields: Mapping[str, Field], problems: list[Problem]) -> str | None:
    """Read the feed, slot or component that shows a message."""
    field = fields.get("placement")
    if kind.default_placement is None:
        if field is not None:
            problems.append(field.place.problem(f"a {kind.name} has no placement", "Leave it out"))
        return None
    if field is None:
        if not kind.default_placement:
            remedy = "Add it to the front matter, as placement: NAME"
            problems.append(fields["kind"].place.problem(f"the {kind.name} has no placement", remedy))
        return kind.default_placement
    written = field.value.strip()
    if not NAME.fullmatch(written):
        problems.append(field.place.problem(f"'{written[:60]}' is not a name", NAME_FORM))
    return written


def read_priority(field: Field | None, problems: list[Problem]) -> int:
    """Read which message shows first: the greatest."""
    value = field.tree.value if field is not None and isinstance(field.tree, Leaf) else DEFAULT_PRIORITY
    if field is not None and not 0 <= value <= MAX_PRIORITY:
        said = f"'priority' must be a whole number from 0 to {MAX_PRIORITY}"
        problems.append(field.place.problem(said, f"Write priority: {DEFAULT_PRIORITY}"))
    return int(value)


def read_common(
    kind: InAppKind, fields: Mapping[str, Field], problems: list[Problem], warnings: list[Problem]
) -> dict[str, Any]:
    """Read the keys of the front matter that the content has in all kinds."""
    language = fields["language"].value.strip() if "language" in fields else None

    def reader(key: str) -> MappingReader | None:
        field = fields.get(key)
        return None if field is None else MappingReader(field.tree, field.place, problems, warnings)

    if not kind.interrupts:
        for key in ("after", "between"):
            if key in fields:
                said = f"a {kind.name} interrupts no one"
                problems.append(fields[key].place.problem(said, f"Leave {key} out"))
    return {
        "where": _read_where(fields.get("where"), problems),
        "after": _read_after(reader("after")),
        "every": _read_every(fields.get("every"), kind, problems),
        "between": _read_span(fields.get("between"), problems),
        "theme": read_theme(reader("theme")),
        "dir": _read_direction(fields.get("dir"), language, problems),
        "lang": language,
        "labels": _read_labels(reader("labels"), kind, language),
    }


def _read_where(field: Field | None, problems: list[Problem]) -> list[str]:
    if field is None:
        return []
    if not isinstance(field.tree, list) or not 0 < len(field.tree) <= MAX_GLOBS:
        said = f"'where' must be a list of at most {MAX_GLOBS} addresses"
        problems.append(field.place.problem(said, 'Write where: [/pricing, "/docs/**"]'))
        return []
    globs: list[str] = []
    for leaf in field.tree:
        value = leaf.value if isinstance(leaf, Leaf) else None
        place = leaf.place if isinstance(leaf, Leaf) else field.place
        if not isinstance(value, str):
            problems.append(place.problem("an address must be a text", "Put it in quotes"))
        elif _REGULAR.search(value):
            said = f"'{value[:60]}' is a regular expression"
            remedy = "Write `*` for any characters but /, and `**` for any at all: /docs/**"
            problems.append(place.problem(said, remedy))
        elif (glob := read_url_glob(value)) is None:
            said = f"'{value[:60]}' is not a pattern of addresses"
            problems.append(place.problem(said, "Begin it with /, * or https://, as /pricing or /docs/**"))
        else:
            globs.append(glob)
    return globs


def _read_after(reader: MappingReader | None) -> dict[str, Any] | None:
    """Read what must have happened on the page first: all that is written."""
    if reader is None:
        return None
    after: dict[str, Any] = {
        "seconds": reader.read_number("seconds", 1, MAX_WAIT_SECONDS),
        "scroll": reader.read_number("scroll", 1, 100),
        "exit_intent": reader.read_flag("exit_intent", False) or None,
        "seen": reader.read_selector("seen"),
        "feature": reader.read_constant("feature"),
    }
    dwell = reader.read_mapping("dwell")
    if dwell is not None:
        after["dwell"] = {
            "element": dwell.read_selector("element", is_required=True),
            "seconds": dwell.read_number("seconds", 1, MAX_WAIT_SECONDS, is_required=True),
        }
        dwell.finish()
    reader.finish()
    found = {key: value for key, value in after.items() if value is not None}
    if not found and not reader.list_keys():
        reader.report("'after' names nothing", "Write after: {seconds: 5}, or leave it out")
    return found or None


def _read_every(field: Field | None, kind: InAppKind, problems: list[Problem]) -> dict[str, Any]:
    default = kind.default_every
    written = default if field is None else field.value.strip()
    if field is not None and kind.ends_when_dismissed and written not in _LAST_UNTIL_DISMISSED:
        said = f"a {kind.name} that was skipped does not come again, so it cannot show '{written[:60]}'"
        problems.append(field.place.problem(said, f"Write {' or '.join(_LAST_UNTIL_DISMISSED)}"))
        return {"kind": default}
    if written in EVERIES or field is None:
        return {"kind": written}
    found = _TIMES.fullmatch(written)
    if found is None or int(found["times"]) > MAX_TIMES:
        said = f"'{written[:60]}' does not say how often a message shows"
        problems.append(field.place.problem(said, f"{did_you_mean(written, EVERIES, 'Words')}. {_EVERY_FORM}"))
        return {"kind": default}
    times = {"kind": "times", "times": int(found["times"])}
    if found["span"] is None:
        return times
    return {**times, "per_seconds": _read_span(Field(found["span"], field.place), problems)}


def _read_span(field: Field | None, problems: list[Problem]) -> int | None:
    if field is None:
        return None
    try:
        seconds = parse_duration(field.value.strip())
    except DurationError as error:
        problems.append(field.place.problem(error.message, error.suggestion))
        return None
    if not 0 < seconds <= MAX_BETWEEN_SECONDS:
        problems.append(field.place.problem("the time is not between 1s and 30d", "Write a time such as 1h or 7d"))
    return seconds


def _read_direction(field: Field | None, language: str | None, problems: list[Problem]) -> str:
    if field is None:
        return direction_of(language)
    written = field.value.strip()
    if written not in DIRECTIONS:
        problems.append(field.place.problem(f"'{written[:60]}' is not a direction", "Write ltr or rtl"))
    return written


def _read_labels(reader: MappingReader | None, kind: InAppKind, language: str | None) -> dict[str, str]:
    texts = labels_of(language)
    if reader is not None:
        for label in LABELS:
            if (written := reader.read_constant(label)) is None:
                continue
            if not 0 < len(written) <= MAX_LABEL_CHARACTERS:
                said = f"the label has {len(written)} characters"
                reader.report(said, f"Write 1 to {MAX_LABEL_CHARACTERS}", label)
            texts[label] = written
        reader.finish()
    return {label: texts[label] for label in kind.labels}
