"""Columns of an import: the meaning and the type of each."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cli.users.consents import nest_consent
from domain.errors import InvalidRequestError
from domain.suggestions import did_you_mean

IGNORED: Final = "-"
IDS: Final = {"user_id": "userId", "anonymous_id": "anonymousId", "said_at": "timestamp"}
_KNOWN: Final = {**{name: name for name in IDS}, "userId": "user_id", "anonymousId": "anonymous_id"}
_FLAGS: Final = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _read_number(text: str) -> Any:
    value = json.loads(text, parse_constant=str)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError
    return value


_TYPES: Final[Mapping[str, Callable[[str], Any]]] = {
    "text": str,
    "number": _read_number,
    "boolean": lambda text: _FLAGS[text.strip().lower()],
    "json": json.loads,
}


class RowError(Exception):
    """A row that cannot be imported, and why."""


@dataclass(frozen=True, slots=True)
class ColumnTarget:
    """The meaning of a column: an id, `said_at`, `traits.plan` or `consent.email`."""

    path: str
    type: str = "text"

    def read(self, column: str, value: Any) -> Any:
        """Return a cell's value by the type. A value of JSON keeps its own."""
        if not isinstance(value, str) or self.type == "text":
            return value
        try:
            return _TYPES[self.type](value)
        except (ValueError, KeyError, RecursionError) as error:
            raise RowError(f"`{column}` is not of the type {self.type}: {value[:80]!r}") from error


class Columns:
    """The targets of columns: those that are mapped, and those that have a known name."""

    def __init__(self, mapped: Iterable[str]) -> None:
        """Read `COLUMN=TARGET` or `COLUMN=TARGET:type`. Raises InvalidRequestError."""
        self._targets: dict[str, ColumnTarget] = {}
        for text in mapped:
            column, is_given, target = text.rpartition("=")
            if not is_given or not column:
                raise InvalidRequestError(f"--map {text}: write COLUMN=TARGET, as 'E-mail=traits.email'")
            self._targets[column] = _read_target(text, target)
        self._mapped = frozenset(self._targets)

    def require(self, header: list[str]) -> None:
        """Check the header of a CSV file. Raises InvalidRequestError."""
        if missing := sorted(self._mapped - set(header)):
            raise InvalidRequestError(
                f"there is no column `{missing[0]}`. {did_you_mean(missing[0], header, 'Columns')}"
            )
        if twice := next((name for name in header if header.count(name) > 1), None):
            raise InvalidRequestError(f"the column `{twice}` stands twice in the header: rename one")
        if "" in map(str.strip, header):
            raise InvalidRequestError(
                f"column {[name.strip() for name in header].index('') + 1} of the header has no name: give it one, or "
                "remove the column"
            )
        self._require_apart(header)
        if not {self._target(name).path for name in header} & {"user_id", "anonymous_id"}:
            raise InvalidRequestError(
                "no column is the user's id: name one `user_id`, or write --map 'COLUMN=user_id' with its name"
            )

    def _require_apart(self, columns: Iterable[str]) -> None:
        """Raise InvalidRequestError for two columns of one meaning."""
        taken: dict[str, str] = {}
        for column in columns:
            path = self._target(column).path
            if path != IGNORED and (other := taken.setdefault(path, column)) != column:
                raise InvalidRequestError(
                    f"`{other}` and `{column}` are both {path}: leave one out, as by --map '{column}={IGNORED}'"
                )

    def call(self, row: Mapping[str, Any], *, message_id: str, said_at: str) -> tuple[dict[str, Any], list[str]]:
        """Build the identify of a row; return it with why parts are left out.

        Raises RowError for an id or a time that is not of its type, and for two values of one meaning.
        """
        try:
            self._require_apart(row)
        except InvalidRequestError as error:
            raise RowError(str(error)) from error
        left_out: list[str] = []
        call: dict[str, Any] = {"type": "identify", "messageId": message_id, "timestamp": said_at}
        parts: dict[str, dict[str, Any]] = {"traits": {}, "consent": {}}
        for column, cell in row.items():
            target = self._target(column)
            if target.path == IGNORED:
                continue
            try:
                value = target.read(column, cell)
            except RowError as error:
                if target.path in IDS:
                    raise
                left_out.append(str(error))
                continue
            if (field := IDS.get(target.path)) is not None:
                if value not in (None, ""):
                    call[field] = value
                continue
            part, _, name = target.path.partition(".")
            parts[part][name] = value
        traits = parts["traits"]
        if parts["consent"]:
            whole = traits.get("consent") or {}
            if not isinstance(whole, dict):
                left_out.append("`consent` names no channel: write consent.email, as the other columns do")
                whole = {}
            traits["consent"] = {**whole, **nest_consent(parts["consent"])}
        return {**call, "traits": traits}, left_out

    def name_columns(self, error: str, columns: Iterable[str]) -> str:
        """Write an error of the API with the names of columns instead of fields."""
        named = {field: name for name, field in IDS.items()}
        for column in columns:
            path = self._target(column).path
            named[IDS.get(path) or (f"traits.{path}" if path.startswith("consent.") else path)] = column
        fields = "|".join(map(re.escape, sorted(named, key=len, reverse=True)))
        return re.sub(rf"(?<![\w.])`?\b({fields})\b`?(?!\w|\.\w)", lambda found: f"`{named[found[1]]}`", error)

    def _target(self, column: str) -> ColumnTarget:
        if (target := self._targets.get(column)) is None:
            path = column if column.startswith(("traits.", "consent.")) else f"traits.{column}"
            target = self._targets[column] = ColumnTarget(_KNOWN.get(column, path))
        return target


def _read_target(text: str, target: str) -> ColumnTarget:
    path, is_typed, type = target.partition(":")
    if is_typed and type not in _TYPES:
        raise InvalidRequestError(f"--map {text}: there is no type {type}. {did_you_mean(type, _TYPES)}")
    part, _, name = path.partition(".")
    if path not in (*IDS, IGNORED) and not (part in ("traits", "consent") and name):
        raise InvalidRequestError(
            f"--map {text}: a target is {', '.join(IDS)}, traits.NAME, consent.CHANNEL, consent.TOPIC.CHANNEL, or "
            f"{IGNORED} to leave it out"
        )
    return ColumnTarget(path, type or "text")
