"""Attachments of templates: files beside them, as they are or rendered.

`templates/attachments/terms.pdf` is sent as it is, and stored once by its hash; among a version's templates stands a
line that names it. `templates/attachments/invite.ics.liquid` is rendered for each message, and sent as `invite.ics`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.channels.kind import Variant
from domain.errors import Problem
from domain.sending.attachment import MAX_ATTACHED_BYTES, MAX_FILE_BYTES, Attachment, StoredFile, read_pointer
from domain.suggestions import did_you_mean
from domain.templates.calendar_text import fold_calendar, method_of
from domain.templates.composition import ATTACHMENTS
from domain.templates.front_matter import Field, Leaf
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError, compile_liquid

RENDERED: Final = ".liquid"
MAX_ATTACHMENTS: Final = 10
# The types that all providers take and mailboxes let pass; programs and scripts are not among them.
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif",
    "ics": "text/calendar",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "pdf": "application/pdf",
    "pkpass": "application/vnd.apple.pkpass",
    "png": "image/png",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "zip": "application/zip",
}
_CALENDAR: Final = "ics"
# Only into these can a value be put without becoming part of the form.
_RENDERED_ENDINGS: Final = (_CALENDAR, "txt")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,98}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """A text that is rendered for each message."""

    name: str
    text: LiquidText

    def render(self, rendering: Rendering) -> Attachment:
        """Return the file of one message. Raises TemplateRenderError."""
        text = self.text.render(rendering)
        ending = _read_ending(self.name)
        media_type = f'{MEDIA_TYPES[ending]}; charset="utf-8"'
        if ending == _CALENDAR:
            text = fold_calendar(text)
            media_type += "" if (method := method_of(text)) is None else f"; method={method}"
        return Attachment(self.name, media_type, text.encode())


@dataclass(frozen=True, slots=True)
class AttachingVariant:
    """A variant of a template whose messages have attachments."""

    variant: Variant
    files: tuple[RenderedFile | StoredFile, ...]
    place: SourceLocation

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return the content with `attachments`, files that are stored or rendered."""
        content = self.variant.render(rendering)
        files = [file.render(rendering) if isinstance(file, RenderedFile) else file for file in self.files]
        size = sum(file.size for file in files)
        if size > MAX_ATTACHED_BYTES:
            raise TemplateRenderError(self.place, f"the attachments have more than {_megabytes(MAX_ATTACHED_BYTES)}")
        return {**content, ATTACHMENTS: files}

    def texts(self) -> Iterator[LiquidText]:
        yield from self.variant.texts()
        yield from (file.text for file in self.files if isinstance(file, RenderedFile))


def find_attachments(
    field: Field | None, files: Mapping[str, str], problems: list[Problem]
) -> dict[str, RenderedFile | StoredFile]:
    """Return the attachments that a template names, by their paths.

    `files` are the texts of the folder's files by their paths.
    """
    if field is None:
        return {}
    named = field.tree if isinstance(field.tree, list) else []
    if not named or not all(isinstance(each, Leaf) and isinstance(each.value, str) for each in named):
        problems.append(field.place.problem("attachments are a list of files", "Write it as [terms.pdf, invite.ics]"))
        return {}
    leaves = [each for each in named if isinstance(each, Leaf)]
    if len(leaves) > MAX_ATTACHMENTS:
        said = f"there are more than {MAX_ATTACHMENTS} attachments"
        problems.append(field.place.problem(said, "Attach fewer, or link to them"))
    found: dict[str, RenderedFile | StoredFile] = {}
    by_name = {path.rpartition("/")[2]: path for path in files}
    for leaf in leaves:
        name = str(leaf.value)
        if any(one.name == name for one in found.values()):
            problems.append(leaf.place.problem(f"`{name}` is attached twice", "Name it once"))
            continue
        faults = list(_check_name(name, by_name, leaf.place))
        problems += faults
        if faults:
            continue
        is_rendered = f"{name}{RENDERED}" in by_name
        path = by_name[f"{name}{RENDERED}" if is_rendered else name]
        read = _read_rendered if is_rendered else _read_stored
        if (file := read(name, path, files[path], problems)) is not None:
            found[path] = file
    if sum(file.size for file in found.values() if isinstance(file, StoredFile)) > MAX_ATTACHED_BYTES:
        said = f"the attachments have more than {_megabytes(MAX_ATTACHED_BYTES)}"
        problems.append(field.place.problem(said, "Attach less, or link to it: mailboxes refuse more"))
    return found


def _check_name(name: str, present: Mapping[str, str], place: SourceLocation) -> Iterator[Problem]:
    ending = _read_ending(name)
    if not _NAME.fullmatch(name):
        yield place.problem(f"'{name}' cannot name a file", "Use letters, digits, blanks, dots, - and _")
    elif ending not in MEDIA_TYPES:
        yield place.problem(f"no file that ends in .{ending} is attached", f"Endings: {', '.join(MEDIA_TYPES)}")
    elif name not in present and f"{name}{RENDERED}" not in present:
        names = sorted(each.removesuffix(RENDERED) for each in present)
        yield place.problem(
            f"there is no file `{name}`", did_you_mean(name, names, f"There are in templates/{ATTACHMENTS}")
        )
    elif name in present and f"{name}{RENDERED}" in present:
        yield place.problem(f"`{name}` and `{name}{RENDERED}` are the same attachment", "Keep one of them")


def _read_rendered(name: str, path: str, text: str, problems: list[Problem]) -> RenderedFile | None:
    place = SourceLocation(path, 1, "attachment")
    ending = _read_ending(name)
    if ending not in _RENDERED_ENDINGS:
        said = f"a file that ends in .{ending} is not rendered"
        problems.append(place.problem(said, f"Attach it as it is. Rendered are {', '.join(_RENDERED_ENDINGS)}"))
        return None
    compiled, faults = compile_liquid(text, place, form="calendar" if ending == _CALENDAR else "text")
    problems += faults
    return None if compiled is None else RenderedFile(name, compiled)


def _read_stored(name: str, path: str, text: str, problems: list[Problem]) -> StoredFile | None:
    place = SourceLocation(path, 1, "attachment")
    if (pointer := read_pointer(text)) is None:
        said = "this does not name a stored file"
        problems.append(place.problem(said, "Store the file by POST /v1/attachments, and write `sha256:HASH SIZE`"))
        return None
    sha256, size = pointer
    if size > MAX_FILE_BYTES:
        problems.append(place.problem(f"the file is larger than {_megabytes(MAX_FILE_BYTES)}", "Link to it instead"))
        return None
    return StoredFile(name, MEDIA_TYPES[_read_ending(name)], sha256, size)


def stored_files(templates: Mapping[str, str]) -> Sequence[tuple[str, str, int]]:
    """Return the stored files among a version's templates: name, hash and size."""
    found = ((name, read_pointer(text)) for name, text in templates.items() if f"{ATTACHMENTS}/" in name)
    return [(name, *pointer) for name, pointer in found if pointer is not None and not name.endswith(RENDERED)]


def _read_ending(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _megabytes(size: int) -> str:
    return f"{size // 1024**2} MB"
