"""The Liquid that templates may use: the field's own language, without files, clock or local zone, and bounded."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import liquid
from liquid.exceptions import FilterArgumentError, OutputStreamLimitError
from liquid.undefined import FalsyStrictUndefined

MAX_OUTPUT_BYTES = 512 * 1024
MAX_LOOP_STEPS = 10_000
MAX_LOCALS_BYTES = 256 * 1024


class Missing(FalsyStrictUndefined):
    """A value that is not there: false in conditions, replaced by `default`, an error anywhere else."""

    __slots__ = ()
    force_liquid_default = True


class _Environment(liquid.Environment):
    output_stream_limit = MAX_OUTPUT_BYTES
    loop_iteration_limit = MAX_LOOP_STEPS
    local_namespace_limit = MAX_LOCALS_BYTES

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in ("include", "render"):
            del self.tags[tag]
        # `safe` and `escapejs` would let data past the escaping.
        for name in ("safe", "escapejs"):
            del self.filters[name]
        self.add_filter("date", _date)
        self.add_filter("replace", _bounded_replace(self.filters["replace"]))
        for name in self.filters.keys() - {"default"}:
            self.add_filter(name, _strict(self.filters[name]))


def _strict(lenient: Callable[..., Any]) -> Callable[..., Any]:
    """Some filters take a missing value for 0 or for nothing, which would greet nobody by name or sum up to a lie."""

    @wraps(lenient)
    def strict(*values: Any, **named: Any) -> Any:
        for value in (*values, *named.values()):
            if isinstance(value, Missing):
                value.poke()
        return lenient(*values, **named)

    return strict


def _date(value: object, layout: object) -> str:
    """An ISO 8601 text or epoch seconds, laid out as strftime does. The library's own reads clock and local zone."""
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            moment = datetime.fromtimestamp(value, UTC)
        else:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
        return moment.strftime(str(layout))
    except (ValueError, OverflowError, OSError) as error:
        raise FilterArgumentError("not a date", token=None) from error


def _bounded_replace(unbounded: Callable[..., Any]) -> Callable[..., Any]:
    """Replacing each of n characters by a text of n is the one filter whose result is not of the input's order."""

    @wraps(unbounded)
    def bounded(value: object, sought: object, put: object = "", **named: Any) -> Any:
        if str(value).count(str(sought)) * len(str(put)) > MAX_OUTPUT_BYTES:
            raise OutputStreamLimitError("output stream limit reached", token=None)
        return unbounded(value, sought, put, **named)

    return bounded


TEXT = _Environment(undefined=Missing, autoescape=False)
HTML = _Environment(undefined=Missing, autoescape=True)
