"""YAML as authors mean it, with the line of everything in it.

The types are those of YAML 1.2's core schema: `on`, `NO` and `10:30` are texts, and so is a time, which its field
reads. JSON is valid, being YAML. Tags and aliases are not, so a document is as large as it looks.
"""

import json
import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from domain.document.yaml_faults import explain
from domain.errors import InvalidDocumentError, Problem

MAX_SIZE = 128 * 1024  # 0.9 s at worst to parse; a campaign of 100 steps has 6 KB
MAX_DEPTH = 64
MAX_KEY_LENGTH = 100

# The integers that common JSON readers and writers keep exactly: 64 bits.
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1

_INTEGER = re.compile(r"[-+]?[0-9]+")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_MAX_DIGITS = 20
_SURROGATES = re.compile("[\ud800-\udfff]+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

Path = tuple[str | int, ...]


class Start(NamedTuple):
    """The 1-based line of a text, and whether its lines are lines of the file."""

    line: int
    is_verbatim: bool


@dataclass(slots=True)
class YamlSource:
    """A document as plain values, with their places, problems and warnings.

    `lines` has the line of each key and item, `starts` of each text's first character.
    """

    file: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    starts: dict[Path, Start] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the 1-based line of a path, or of its closest enclosing value."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def problem(self, path: Path, message: str, suggestion: str) -> Problem:
        return Problem(self.file, self.line(path), path_text(path), message, suggestion)


def path_text(path: Path) -> str:
    """Format a path as `steps[1].send.channel`; the document itself is `document`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"


def read(text: str, file: str, *, opaque: re.Pattern[str] | None = None) -> YamlSource:
    """Read one document. Raises InvalidDocumentError if it is not YAML.

    Lesser faults go to `problems`. A match of `opaque`, within a line, may replace any text, unquoted.
    """
    if len(text.encode("utf-8", "replace")) > MAX_SIZE:
        raise _refusal(file, 1, f"the document is larger than {MAX_SIZE // 1024} KB", "Split it into several")
    hidden = _Hidden(text, opaque)
    text = hidden.text
    try:
        node = yaml.compose(text, Loader=_Composer)
    except _RefusedError as error:
        raise _refusal(file, error.line, error.said, error.suggestion) from error
    except yaml.MarkedYAMLError as error:
        raise _refusal(file, *explain(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"the character U+{error.character:04X} is not allowed in YAML"
        raise _refusal(file, line, said, "Remove it, or write it escaped in double quotes") from error
    if node is None:
        raise _refusal(file, 1, "the document is empty", "Write it as `key: value` lines; see examples/")
    source = YamlSource(file)
    source.lines[()] = _line(node.start_mark)
    source.data = _Reader(source, hidden).value(node, ())
    return source


class _RefusedError(yaml.YAMLError):
    """Valid YAML that is not allowed here."""

    def __init__(self, line: int, said: str, suggestion: str) -> None:
        super().__init__(said)
        self.line = line
        self.said = said
        self.suggestion = suggestion


class _Composer(yaml.SafeLoader):
    """PyYAML's composer without aliases and tags, with bounded nesting and tabs."""

    _depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it so
        line = _line(event.start_mark)
        if isinstance(event, yaml.AliasEvent):
            said = f"the alias `*{event.anchor}` is not allowed"
            raise _RefusedError(line, said, "Write out what it stands for; quote a text that starts with `*`")
        if tag := getattr(event, "tag", None):
            hint = "Quote a text that starts with `!`: `'!has(event.properties.coupon)'`"
            raise _RefusedError(line, f"the tag `{tag}` is not allowed", hint)
        if self._depth == MAX_DEPTH:
            raise _RefusedError(line, f"nested deeper than {MAX_DEPTH} levels", "Make it flatter")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def scan_to_next_token(self) -> None:
        # Between braces and brackets YAML 1.2 allows tabs, as JSON does; PyYAML refuses them.
        super().scan_to_next_token()
        while self.flow_level and self.peek() == "\t":
            self.forward()
            super().scan_to_next_token()


class _Hidden:
    """A text whose opaque parts are replaced by marks, which can be restored."""

    def __init__(self, text: str, opaque: re.Pattern[str] | None) -> None:
        self.text = text
        self._pieces: list[str] = []
        if opaque is None:
            return
        # A private character that the text does not contain: 128 KB cannot contain all 65,534.
        mark = next(mark for mark in map(chr, range(0xF0000, 0xFFFFE)) if mark not in text)
        self._marks = re.compile(f"{mark}([0-9]+){mark}")
        self.text = opaque.sub(lambda found: f"{mark}{self._keep(found[0])}{mark}", text)

    def _keep(self, piece: str) -> int:
        self._pieces.append(piece)
        return len(self._pieces) - 1

    def restore(self, text: str, style: str | None) -> str:
        """Restore a scalar's text as written, without the escapes of its quotes."""
        if not self._pieces:
            return text
        return self._marks.sub(lambda found: _unescape(self._pieces[int(found[1])], style), text)


def _unescape(piece: str, style: str | None) -> str:
    if style == "'":
        return piece.replace("''", "'")
    if style == '"' and "\\" in piece:
        try:
            return str(json.loads(f'"{piece}"'))
        except ValueError:
            return piece
    return piece


class _Reader:
    """Converts nodes to plain values; adds their places and problems to the source."""

    def __init__(self, source: YamlSource, hidden: _Hidden) -> None:
        self._source = source
        self._hidden = hidden

    def value(self, node: Node, path: Path) -> Any:
        match node:
            case ScalarNode():
                return self._scalar(node, path)
            case SequenceNode():
                items = []
                for index, item in enumerate(node.value):
                    self._source.lines[(*path, index)] = _line(item.start_mark)
                    items.append(self.value(item, (*path, index)))
                return items
            case MappingNode():
                return self._read_mapping(node, path)
        raise AssertionError(node)

    def _read_mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        source = self._source
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node.start_mark)
            key = self._text(key_node, path) if isinstance(key_node, ScalarNode) else ""
            if not isinstance(key_node, ScalarNode):
                text = "a key must be a text, not a list or mapping"
                source.problems.append(Problem(source.file, line, path_text(path), text, "Write `key: value`"))
            elif len(key) > MAX_KEY_LENGTH:
                text = f"the key `{key[:40]}…` has {len(key):,} characters"
                source.problems.append(Problem(source.file, line, path_text(path), text, "Check the indentation"))
            elif key in values:
                first = source.lines[(*path, key)]
                text = f"the key `{key}` stands here twice, first on line {first}"
                source.problems.append(Problem(source.file, line, path_text((*path, key)), text, "Keep one of them"))
            else:
                source.lines[(*path, key)] = line
                values[key] = self.value(value_node, (*path, key))
        return values

    def _scalar(self, node: ScalarNode, path: Path) -> str | int | float | bool | None:
        """Convert a plain scalar by YAML 1.2's core schema; keep any other as text."""
        line = _line(node.start_mark)
        self._source.starts[path] = Start(line + 1, True) if node.style == "|" else Start(line, False)
        text = self._text(node, path)
        if node.style is not None:
            return text
        if text in ("", "~", "null", "Null", "NULL"):
            return None
        if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
            return text[0] in "tT"
        if _INTEGER.fullmatch(text) or _HEX_OR_OCTAL.fullmatch(text):
            return self._integer(text, path)
        if _NOT_FINITE.fullmatch(text) or (_FLOAT.fullmatch(text) and not isfinite(float(text))):
            self._refuse(path, f"`{text[:40]}` is not a number of JSON")
            return text
        return float(text) if _FLOAT.fullmatch(text) else text

    def _integer(self, text: str, path: Path) -> int | str:
        if _LEADING_ZERO.fullmatch(text) and len(text) <= _MAX_DIGITS:
            said = f"`{text}` is the number {int(text)}"
            self._source.warnings.append(self._source.problem(path, said, f"To keep the zero, quote it: `'{text}'`"))
        base = {"0x": 16, "0o": 8}.get(text[:2], 10)
        # Python limits the decimal digits that it reads, leading zeros included.
        digits = (text[2:] if base != 10 else text.lstrip("+-")).lstrip("0") or "0"
        if len(digits) <= _MAX_DIGITS + 2:
            number = int(digits, base) * (-1 if text[0] == "-" else 1)
            if MIN_INTEGER <= number <= MAX_INTEGER:
                return number
        self._refuse(path, f"`{text[:40]}` is larger than an exact number can be")
        return text

    def _refuse(self, path: Path, said: str) -> None:
        self._source.problems.append(self._source.problem(path, said, "Quote it to make it a text"))

    def _text(self, node: ScalarNode, path: Path) -> str:
        """Return the text, with a problem if it cannot be stored or printed."""
        text = _SURROGATES.sub(_join, self._hidden.restore(node.value, node.style))
        replaced = _UNSTORABLE.sub("\ufffd", text)
        if replaced != text:
            said = "the text holds an escaped character that cannot be stored"
            self._source.problems.append(self._source.problem(path, said, "Remove `\\0` and lone surrogates"))
        return replaced


def _join(surrogates: re.Match[str]) -> str:
    """Join pairs of surrogates, as JSON escapes them; lone ones stay."""
    return surrogates[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1


def _refusal(file: str, line: int, said: str, suggestion: str) -> InvalidDocumentError:
    return InvalidDocumentError([Problem(file, line, path_text(()), said, suggestion)])
