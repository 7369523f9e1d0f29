"""Rows of a CSV or NDJSON file, one after the other, with the place behind each."""

import csv
import json
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO, Final, Literal

from domain.errors import InvalidRequestError

Format = Literal["csv", "ndjson"]
# A row may have 32 KB as a call. A longer line is refused before it fills the memory.
MAX_LINE_BYTES: Final = 1024 * 1024
# As many as a row may have.
MAX_SHOWN_CHARACTERS: Final = 32 * 1024
_UTF_16: Final = (BOM_UTF16_BE, BOM_UTF16_LE)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file: bytes and lines before it."""

    offset: int = 0
    line: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A row, or why it is none. `line` is its first, `after` the place behind it.

    `text` is the beginning of a line that holds no values.
    """

    line: int
    after: Place
    values: dict[str, Any]
    error: str | None = None
    text: str = ""


class _LongLineError(Exception):
    """A line that is too long for a row; the next one can be read."""

    def __init__(self) -> None:
        super().__init__(f"it has more than {MAX_LINE_BYTES:,} bytes: a row is one line")


class _Lines:
    """The lines of a file as text, with the place of the next."""

    def __init__(self, file: BinaryIO, place: Place) -> None:
        self._file = file
        self.go_to(place)

    def go_to(self, place: Place) -> None:
        """Read on from a place."""
        self._file.seek(place.offset)
        self.place = place

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Return the next line. Raises _LongLineError, behind that line."""
        line = self._file.readline(MAX_LINE_BYTES + 1)
        if not line:
            raise StopIteration
        start, size = self.place, len(line)
        while not line.endswith(b"\n") and (rest := self._file.readline(MAX_LINE_BYTES)):
            line, size = rest, size + len(rest)
        self.place = Place(start.offset + size, start.line + 1)
        if size > MAX_LINE_BYTES:
            raise _LongLineError
        return line.decode("utf-8-sig" if start.offset == 0 else "utf-8", errors="surrogateescape")


class RowReader:
    """The rows of a file from a place on. `header` are the columns of a CSV file."""

    def __init__(self, file: BinaryIO, format: Format, *, delimiter: str, place: Place) -> None:
        """Raises InvalidRequestError for UTF-16, and for a CSV file without a header."""
        self._format = format
        self._delimiter = delimiter
        self.header: list[str] = []
        start = Place()
        if file.read(2) in _UTF_16:
            raise InvalidRequestError("it is UTF-16: save the file in UTF-8")
        if format == "csv":
            lines = _Lines(file, start)
            try:
                self.header = next(self._cells(lines), [])
                "".join(self.header).encode()
            except (csv.Error, _LongLineError) as error:
                raise InvalidRequestError(f"the first line is not CSV with lines that end in LF: {error}") from error
            except UnicodeEncodeError as error:
                raise InvalidRequestError("the first line is not UTF-8: save the file in UTF-8") from error
            if not self.header:
                raise InvalidRequestError("the first line has no names of columns")
            start = lines.place
        self._lines = _Lines(file, max(start, place, key=lambda each: each.offset))

    def __iter__(self) -> Iterator[Row]:
        return self._csv_rows() if self._format == "csv" else self._json_rows()

    def _cells(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._delimiter, strict=True)

    def _csv_rows(self) -> Iterator[Row]:
        lines = self._lines
        while True:
            line = lines.place.line + 1
            try:
                first = next(lines)
            except StopIteration:
                return
            except _LongLineError as error:
                yield Row(line, lines.place, {}, str(error))
                continue
            behind = lines.place
            try:
                cells = next(self._cells(_limit_row(first, lines)), [])
            except (csv.Error, _LongLineError) as error:
                # A quotation mark that nothing closes: the lines that it has swallowed are rows.
                lines.go_to(behind)
                yield Row(line, behind, {}, f"it is not CSV: {error}", _cut(first))
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
        while True:
            try:
                text = next(lines)
            except StopIteration:
                return
            except _LongLineError as error:
                yield Row(lines.place.line, lines.place, {}, str(error))
                continue
            if text.strip():
                yield _check_text(self._json_row(text), text)

    def _json_row(self, text: str) -> Row:
        place = self._lines.place
        try:
            row = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            return Row(place.line, place, {}, f"it is not JSON: {error}", _cut(text))
        if not isinstance(row, dict):
            said = 'it is not a JSON object, as {"user_id": "u-1", "plan": "pro"}'
            return Row(place.line, place, {}, said, _cut(text))
        values: dict[str, Any] = {}
        for name, value in row.items():
            is_part = name in ("traits", "consent") and isinstance(value, dict)
            stated = {f"{name}.{inner}": each for inner, each in value.items()} if is_part else {name: value}
            if twice := sorted(stated.keys() & values.keys()):
                return Row(place.line, place, {}, f"`{twice[0]}` stands twice in it", _cut(text))
            values |= stated
        return Row(place.line, place, values)


def _limit_row(first: str, lines: Iterator[str]) -> Iterator[str]:
    """Return the lines of which a row may consist, as far as they are read."""
    size = 0
    for line in chain([first], lines):
        size += len(line)
        if size > MAX_LINE_BYTES:
            raise _LongLineError
        yield line


def _cut(text: str) -> str:
    """Return the beginning of a line, as the errors show it."""
    shown = text.rstrip("\r\n")[:MAX_SHOWN_CHARACTERS]
    return shown.encode(errors="surrogateescape").decode(errors="replace")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _check_text(row: Row, text: str) -> Row:
    """Refuse bytes that are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return Row(row.line, row.after, {}, "it is not UTF-8: save the file in UTF-8", _cut(text))
    return row
