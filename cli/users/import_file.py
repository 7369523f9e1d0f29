"""sojourn users import: people from a file, resumable, each row once."""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer

from cli.client import ApiClient, connect
from cli.exit_codes import REFUSED
from cli.operation_progress import show_progress
from cli.output import list_text, printable
from cli.users.import_columns import Columns, RowError
from cli.users.import_progress import Progress, errors_file, progress_file
from cli.users.import_rows import Format, Place, Row, RowReader
from domain.errors import InvalidRequestError, UnavailableError

# A batch is one transaction of the API. An answer names a hundred rows at most: a batch with more is sent again in
# pieces of this size.
MAX_ROWS: Final = 500
MAX_BYTES: Final = 512 * 1024
MAX_NAMED: Final = 100
MAX_ROW_BYTES: Final = 32 * 1024
# How long the API may be away before the import stops, to go on another time.
AWAY_SECONDS: Final = 60.0
RETRY_SECONDS: Final = 1.0
SHOW_SECONDS: Final = 1.0
OUTCOMES: Final = ("imported", "left_out", "rejected", "unnamed")


class FormatOption(StrEnum):
    """The formats of files."""

    CSV = "csv"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True)
class _Sent:
    """A row as the JSON of a call, with why parts of it are left out."""

    row: Row
    text: bytes
    left_out: list[str]


def import_file(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A CSV or NDJSON file.", show_default=False)
    ],
    mapped: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN=TARGET[:TYPE]",
            help="user_id, anonymous_id, said_at, traits.NAME, consent.CHANNEL, or - to leave it out; "
            "types: text, number, boolean, json.",
            show_default=False,
        ),
    ] = None,
    format: Annotated[
        FormatOption | None, typer.Option(help="By default that of the name.", show_default=False)
    ] = None,
    delimiter: Annotated[str, typer.Option(help="Between the cells of a CSV file.")] = ",",
    said_at: Annotated[
        str | None,
        typer.Option(
            help="When the rows were true, as 2026-11-01T10:00:00Z. By default the deployment's now.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Import people from a file.

    A later statement is not overwritten, no journey starts, and each row is imported once: after an interruption, the
    same command goes on.
    """
    if len(delimiter) != 1:
        raise typer.BadParameter("one character, such as ;", param_hint="--delimiter")
    chosen: Format = _format_of(file, format)
    columns = Columns(mapped or ())
    how = {"map": mapped or [], "format": chosen, "delimiter": delimiter, "said_at": said_at}
    progress = Progress.begin(file, how, _instant(said_at))
    with connect(context) as api, file.open("rb") as source:
        reader = RowReader(source, chosen, delimiter=delimiter, place=progress.place)
        if chosen == "csv":
            columns.require(reader.header)
        # Before the first batch, whose rows are then the same after an interruption.
        progress.save(file)
        with errors_file(file).open("ab") as errors:
            errors.truncate(progress.errors_bytes)
            try:
                _Import(api, file, progress, columns, errors).run(reader)
            except (KeyboardInterrupt, UnavailableError):
                typer.echo(f"{progress.place.line} lines are imported; the same command goes on.", err=True)
                raise
    progress_file(file).unlink(missing_ok=True)
    if progress.errors_bytes == 0:
        errors_file(file).unlink()
        return
    typer.echo(printable(f"{errors_file(file)} lists what was not imported"), err=True)
    if progress.counts["rejected"]:
        raise typer.Exit(REFUSED)


class _Import:
    """Sends the rows of one file in batches, and records the answers."""

    def __init__(self, api: ApiClient, file: Path, progress: Progress, columns: Columns, errors: BinaryIO) -> None:
        self._api = api
        self._file = file
        self._progress = progress
        self._columns = columns
        self._errors = errors
        self._found: list[tuple[str, Row, str]] = []

    def run(self, reader: RowReader) -> None:
        shown_at = 0.0
        with show_progress(f"import {self._file.name}", _describe, quiet=False) as show:
            if not self._progress.said_at:
                # The deployment's clock may be ahead of this machine's.
                self._progress.said_at = self._answer(b'{"batch":[]}')["received_at"]
            for batch, faulty, after in self._batches(reader):
                self._send(batch)
                self._found += [("rejected", row, row.error or "") for row in faulty]
                self._record_found()
                self._keep(after)
                if time.monotonic() - shown_at > SHOW_SECONDS:
                    shown_at = time.monotonic()
                    show(self._describe_state("running"))
            show(self._describe_state("done"))

    def _batches(self, reader: RowReader) -> Iterator[tuple[list[_Sent], list[Row], Place]]:
        """Divide the rows into calls and faulty rows, with the place behind them."""
        batch: list[_Sent] = []
        faulty: list[Row] = []
        size, after = 0, self._progress.place
        for row in reader:
            try:
                sent = self._call(row)
            except RowError as error:
                faulty.append(replace(row, error=str(error)))
            else:
                batch.append(sent)
                size += len(sent.text)
            after = row.after
            if len(batch) + len(faulty) == MAX_ROWS or size >= MAX_BYTES:
                yield batch, faulty, after
                batch, faulty, size = [], [], 0
        if batch or faulty:
            yield batch, faulty, after

    def _call(self, row: Row) -> _Sent:
        """Return the call of a row. Raises RowError."""
        if row.error is not None:
            raise RowError(row.error)
        # Their order is that of the lines, which decides between two rows about one person.
        call, left_out = self._columns.call(row.values, message_id=f"{row.line:010}", said_at=self._progress.said_at)
        try:
            text = json.dumps(call, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError) as error:
            raise RowError(f"it cannot be written as JSON in UTF-8: {error}") from error
        if len(text) > MAX_ROW_BYTES:
            raise RowError(f"it has {len(text):,} bytes as a call; at most {MAX_ROW_BYTES:,} are accepted")
        return _Sent(row, text, left_out)

    def _send(self, batch: Sequence[_Sent]) -> None:
        if not batch:
            return
        answer = self._answer(b'{"batch":[%b]}' % b",".join(sent.text for sent in batch))
        if answer["unnamed"] and len(batch) > MAX_NAMED:
            # Rows that were accepted are repetitions now.
            for first in range(0, len(batch), MAX_NAMED):
                self._send(batch[first : first + MAX_NAMED])
            return
        for one in answer["rejected"]:
            self._find("rejected", batch[one["index"]].row, one["error"])
        refused = {one["index"] for one in answer["rejected"]}
        for index, sent in enumerate(batch):
            for error in () if index in refused else sent.left_out:
                self._found.append(("left_out", sent.row, error))
        for one in answer["left_out"]:
            self._find("left_out", batch[one["index"]].row, one["error"])
        self._progress.counts["imported"] += len(batch) - len(answer["rejected"])
        if answer["unnamed"]:
            self._progress.counts["unnamed"] += answer["unnamed"]

    def _answer(self, content: bytes) -> dict[str, Any]:
        """Send a batch until it is answered. Raises UnavailableError if the API is away."""
        since = time.monotonic()
        while True:
            try:
                return self._api.send("imports", self._progress.id, content=content)
            except UnavailableError as error:
                pause = float(error.data.get("retry_after", RETRY_SECONDS))
                if time.monotonic() + pause - since > AWAY_SECONDS:
                    raise
                time.sleep(pause)

    def _find(self, outcome: str, row: Row, error: str) -> None:
        """Note an error of the API, in the words of the file."""
        self._found.append((outcome, row, self._columns.name_columns(error, row.values)))

    def _record_found(self) -> None:
        """Write the errors of a batch, in the order of the lines."""
        for outcome, row, error in sorted(self._found, key=lambda found: found[1].line):
            self._progress.counts[outcome] += 1
            line = {"line": row.line, "outcome": outcome, "error": error, "row": row.values or row.text}
            try:
                text = json.dumps(line)
            except RecursionError:
                text = json.dumps({**line, "row": row.text})
            self._errors.write(text.encode() + b"\n")
        self._found.clear()

    def _keep(self, after: Place) -> None:
        """Record that all rows before a place have been answered."""
        self._errors.flush()
        self._progress.errors_bytes = self._errors.tell()
        self._progress.place = after
        self._progress.save(self._file)

    def _describe_state(self, state: str) -> dict[str, Any]:
        progress = self._progress
        return {"state": state, "total": progress.size, "done": progress.place.offset, "counts": progress.counts}


def _describe(seen: dict[str, Any]) -> str:
    counts = {name.replace("_", " "): f"{seen['counts'][name]:,}" for name in OUTCOMES if seen["counts"][name]}
    return f"{seen['state']} ({list_text(counts)})" if counts else str(seen["state"])


def _format_of(file: Path, given: FormatOption | None) -> Format:
    if given is not None:
        return "csv" if given is FormatOption.CSV else "ndjson"
    match file.suffix.lower():
        case ".csv" | ".tsv" | ".txt":
            return "csv"
        case ".ndjson" | ".jsonl":
            return "ndjson"
    raise InvalidRequestError(f"{file} is named neither .csv nor .ndjson: say --format")


def _instant(said_at: str | None) -> datetime | None:
    if said_at is None:
        return None
    try:
        instant = datetime.fromisoformat(said_at)
    except ValueError as error:
        raise typer.BadParameter("write it as 2026-11-01T10:00:00Z", param_hint="--said-at") from error
    if instant.tzinfo is None:
        raise typer.BadParameter("it lacks its offset: write 2026-11-01T10:00:00Z", param_hint="--said-at")
    return instant
