"""Split a template file: YAML front matter between lines of three dashes, a body.

Every value keeps its line, for later problems. Liquid is opaque to the YAML around it: `subject: Hi {{
profile.traits.first_name
default: "you" }}` needs no quotes.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from domain.document.yaml_source import Path, YamlSource, path_text, read
from domain.errors import InvalidDocumentError, Problem
from domain.templates.liquid_text import SourceLocation, compile_liquid

# A tag or output within a line and without braces of its own; any other is ordinary YAML.
_LIQUID = re.compile(r"\{\{[^{}\n]*\}\}|\{%[^{}\n]*%\}")
# An output or a tag that does not end on its line.
_UNCLOSED = re.compile(r"\{\{(?!.*\}\})|\{%(?!.*%\})")
QUOTE = "Put it in quotes, or below a |"


@dataclass(frozen=True, slots=True)
class Field:
    """A value of the front matter, with its place: a text, or a `tree` otherwise."""

    value: str
    place: SourceLocation
    tree: "Tree | None" = None


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template file: front matter by key, body, and the places of both.

    `warnings` are the doubtful places of the front matter.
    """

    fields: dict[str, Field]
    key_places: dict[str, SourceLocation]
    body: Field
    warnings: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of a YAML body. Only texts are Liquid; others have YAML's value."""

    value: Any
    place: SourceLocation


Tree = Leaf | dict[str, "Tree"] | list["Tree"]


def parse(file: str, text: str) -> tuple[TemplateSource | None, list[Problem]]:
    """Split the file; return its parts, or None if unreadable, and its problems."""
    lines = re.split(r"(?<=\n)", text.removeprefix("\ufeff"))
    whole = SourceLocation(file, 1, "front matter")
    if lines[0].rstrip() != "---":
        remedy = "Begin it with a line of ---, its keys, and another ---"
        return None, [whole.problem("the file does not begin with front matter", remedy)]
    end = next((number for number, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), None)
    if end is None:
        return None, [whole.problem("the front matter does not end", "End it with a line of ---")]
    # A variant may take all keys from its default.
    written = "".join(lines[1:end])
    matter = _read(written if written.strip() else "{}", replace(whole, line=2), prefix="")
    body = Field("".join(lines[end + 1 :]), SourceLocation(file, end + 2, "body"))
    if not matter.is_mapping:
        return None, [*matter.problems, *compile_liquid(body.value, body.place)[1]]
    problems = matter.problems
    fields: dict[str, Field] = {}
    key_places: dict[str, SourceLocation] = {}
    for key, value in matter.source.data.items():
        place = key_places[key] = matter.place((key,))
        if isinstance(value, str):
            fields[key] = Field(value, matter.text_place((key,)))
        else:
            fields[key] = Field("", place, _tree(value, (key,), matter))
    return TemplateSource(fields, key_places, body, tuple(matter.warnings)), problems


def parse_tree(body: Field) -> tuple[dict[str, Tree] | None, list[Problem], list[Problem]]:
    """Read a YAML or JSON body as a mapping of leaves, with problems and warnings."""
    document = _read(body.value, body.place, prefix=body.place.path)
    if not document.is_mapping:
        return None, [*document.problems, *compile_liquid(body.value, body.place)[1]], []
    tree = {key: _tree(value, (key,), document) for key, value in document.source.data.items()}
    return tree, document.problems, document.warnings


class _Document:
    """YAML within a file: `whole` is its place, `prefix` the start of its paths."""

    def __init__(self, source: YamlSource, whole: SourceLocation, prefix: str) -> None:
        self.source = source
        self._whole = whole
        self._prefix = prefix
        self.problems = [self._shift(problem) for problem in source.problems]
        self.warnings = [self._shift(problem) for problem in source.warnings]
        if not self.is_mapping and not self.problems:
            self.problems.append(whole.problem("this must be a YAML mapping", "Write one key: value a line"))

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.source.data, dict)

    def place(self, path: Path) -> SourceLocation:
        """Return the place of a key or an item."""
        return SourceLocation(self.source.file, self.source.line(path), self._path(path_text(path)))

    def around(self, path: Path) -> SourceLocation:
        """Return the place of the mapping or list at this path."""
        return self.place(path) if path else self._whole

    def text_place(self, path: Path) -> SourceLocation:
        """Return the place at which the text of a value begins."""
        start = self.source.starts[path]
        return SourceLocation(self.source.file, start.line, self._path(path_text(path)), start.is_verbatim)

    def _path(self, path: str) -> str:
        return f"{self._prefix}.{path}" if self._prefix else path

    def _shift(self, problem: Problem) -> Problem:
        path = self._whole.path if problem.path == path_text(()) else self._path(problem.path)
        return replace(problem, path=path)


def _read(text: str, whole: SourceLocation, prefix: str) -> _Document:
    """Read the document; for invalid YAML, one without data and with the problem."""
    if not text.strip():
        return _Document(YamlSource(whole.file), whole, prefix)
    try:
        # Empty lines before it make its lines those of the file.
        source = read("\n" * (whole.line - 1) + text, whole.file, opaque=_LIQUID)
    except InvalidDocumentError as refused:
        source = YamlSource(whole.file, problems=_blame_liquid(text, whole, refused.problems))
    document = _Document(source, whole, prefix)
    if document.is_mapping:
        document.problems.extend(_keys_with_liquid(source.data, (), document))
    return document


def _blame_liquid(text: str, whole: SourceLocation, problems: list[Problem]) -> list[Problem]:
    """Blame an opening without a closing for the invalid YAML of its line."""
    lines = text.splitlines()
    blamed = []
    for problem in problems:
        at = problem.line - whole.line
        opened = _UNCLOSED.search(lines[at]) if 0 <= at < len(lines) else None
        if opened is not None:
            closing = "}}" if opened[0] == "{{" else "%}"
            problem = replace(
                problem, message=f"`{opened[0]}` has no `{closing}`", suggestion=f"Close it with `{closing}`"
            )
        blamed.append(problem)
    return blamed


def _keys_with_liquid(value: Any, path: Path, document: _Document) -> list[Problem]:
    found: list[Problem] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        inner = (*path, key)
        if isinstance(key, str) and ("{{" in key or "{%" in key):
            problem = document.around(path).problem("a key must be a constant text", "Put Liquid into values only")
            found.append(replace(problem, line=document.source.line(inner)))
        found += _keys_with_liquid(item, inner, document)
    return found


def _tree(value: Any, path: Path, document: _Document) -> Tree:
    match value:
        case dict():
            return {key: _tree(item, (*path, key), document) for key, item in value.items()}
        case list():
            return [_tree(item, (*path, index), document) for index, item in enumerate(value)]
        case str():
            return Leaf(value, document.text_place(path))
    return Leaf(value, document.place(path))
