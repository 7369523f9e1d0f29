"""How far an import has come, in a file beside the imported one."""

import json
from collections import Counter
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from cli.users.import_rows import Place
from domain.errors import InvalidRequestError


@dataclass(slots=True)
class Progress:
    """An import that has begun. All rows before `place` have been answered.

    `said_at` is the time of rows without one, and the same after an interruption; empty before the first answer.
    `errors_bytes` is the length of the file of errors at that place.
    """

    id: str
    said_at: str
    how: dict[str, Any]
    size: int
    changed_ns: int
    place: Place = field(default_factory=Place)
    counts: Counter[str] = field(default_factory=Counter)
    errors_bytes: int = 0

    @classmethod
    def begin(cls, file: Path, how: dict[str, Any], said_at: datetime | None) -> Self:
        """Begin an import, or go on with that of this file.

        Raises InvalidRequestError if the file or the options are not those of the import that has begun.
        """
        state = file.stat()
        at = said_at.isoformat() if said_at else ""
        new = cls(f"{uuid4()}", at, how, state.st_size, state.st_mtime_ns)
        path = progress_file(file)
        if not path.exists():
            return new
        try:
            kept = json.loads(path.read_text())
            found = cls(**{**kept, "place": Place(**kept["place"]), "counts": Counter(kept["counts"])})
        except (ValueError, TypeError, KeyError) as error:
            raise InvalidRequestError(
                f"{path} cannot be read: remove it to import {file} from its first row"
            ) from error
        if (found.size, found.changed_ns, found.how) != (new.size, new.changed_ns, new.how):
            raise InvalidRequestError(
                f"an import of {file} was interrupted at line {found.place.line}, and the file or the options have "
                f"changed since: remove {path} to import it from its first row"
            )
        return found

    def save(self, file: Path) -> None:
        """Store the progress; it is never half written."""
        path = progress_file(file)
        kept = {each.name: getattr(self, each.name) for each in fields(self)} | {"place": asdict(self.place)}
        unfinished = path.with_name(f"{path.name}.new")
        try:
            unfinished.write_text(json.dumps(kept))
            unfinished.replace(path)
        except OSError as error:
            raise InvalidRequestError(f"{path} keeps how far the import is, and cannot be written: {error}") from error


def progress_file(file: Path) -> Path:
    """Return the file that keeps the progress of an import."""
    return file.with_name(f"{file.name}.progress.json")


def errors_file(file: Path) -> Path:
    """Return the file that lists the rows that were not imported."""
    return file.with_name(f"{file.name}.errors.ndjson")
