"""Rows of a CSV or NDJSON file, one after the other, with the place behind each."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Literal

from domain.errors import InvalidRequestError

Format = Literal["csv", "ndjson"]
# A row may have 32 KB as a call. A longer line is refused before it fills the memory.
MAX_LINE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: bytes and lines before it."""

    offset: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row, or why it is none. `line` is its first, `after` the place behind it."""

    line: int
    after: Place
    values: dict[str, Any]
    error: str | None = None


class _Lines:
    """The lines of a file as text, with the place of the next."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        file.seek(place.offset)
        self._file = file
        self.place = place

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        if len(line) > MAX_LINE_BYTES:
            raise InvalidRequestError(
                f"line {self.place.line + 1} has more than {MAX_LINE_BYTES:,} bytes: a row is one line"
            )
        text = line.decode("utf-8-sig" if self.place.offset == 0 else "utf-8", errors="surrogateescape")
        self.place = Place(self.place.offset + len(line), self.place.line + 1)
        return text


class RowReader:
    """The rows of a file from a place on. `header` are the columns of a CSV file."""

    def __init__(self, file: BinaryIO, format: Format, *, delimiter: str, place: Place) -> None:
        """Raises InvalidRequestError for a CSV file without a header."""
        self._format = format
        self._delimiter = delimiter
        self.header: list[str] = []
        start = Place()
        if format == "csv":
            lines = _Lines(file, start)
            self.header = next(csv.reader(lines, delimiter=delimiter, strict=True), [])
            if not self.header:
                raise InvalidRequestError("the first line has no names of columns")
            start = lines.place
        self._lines = _Lines(file, max(start, place, key=lambda each: each.offset))

    def __iter__(self) -> Iterator[Row]:
        return self._csv_rows() if self._format == "csv" else self._json_rows()

    def _csv_rows(self) -> Iterator[Row]:
        lines = self._lines
        reader = csv.reader(lines, delimiter=self._delimiter, strict=True)
        while True:
            line = lines.place.line + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, lines.place, {}, f"it is not CSV: {error}")
                continue
            if not cells:
                continue
            # An empty cell says nothing.
            values = {name: cell for name, cell in zip(self.header, cells, strict=False) if cell}
            error_text = None
            if len(cells) != len(self.header):
                error_text = f"it has {len(cells)} cells, and the header {len(self.header)}"
            yield _check_text(Row(line, lines.place, values, error_text), "".join(cells))

    def _json_rows(self) -> Iterator[Row]:
        lines = self._lines
        for text in lines:
            if text.strip():
                yield _check_text(self._json_row(text), text)

    def _json_row(self, text: str) -> Row:
        place = self._lines.place
        try:
            row = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            return Row(place.line, place, {}, f"it is not JSON: {error}")
        if not isinstance(row, dict):
            return Row(place.line, place, {}, 'it is not a JSON object, as {"user_id": "u-1", "plan": "pro"}')
        values: dict[str, Any] = {}
        for name, value in row.items():
            if name in ("traits", "consent") and isinstance(value, dict):
                values.update({f"{name}.{inner}": each for inner, each in value.items()})
            else:
                values[name] = value
        return Row(place.line, place, values)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _check_text(row: Row, text: str) -> Row:
    """Refuse bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return Row(row.line, row.after, {}, "it is not UTF-8: save the file in UTF-8")
    return row
