"""YAML read as authors mean it, with the line of everything in it.

Only the types of YAML 1.2's core schema: `on`, `yes` and `1:30` are texts, and so is a time, which its field reads.
No tags, no aliases, so that a document is as large as it looks.
"""

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from domain.errors import InvalidDocumentError, Problem

MAX_SIZE = 128 * 1024  # 0.9 s at worst to parse; a campaign of 100 steps has 6 KB
MAX_DEPTH = 64
MAX_KEY_LENGTH = 100

_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_HEX_OR_OCTAL = re.compile(r"0x[0-9a-fA-F]{1,15}|0o[0-7]{1,20}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_QUOTE = "Check the indentation; put a text with `: `, ` #` or quotes of its own into single quotes"

Path = tuple[str | int, ...]


@dataclass(slots=True)
class Source:
    """A document as plain values, where each of them stands, and what the reading found wrong."""

    file: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """The 1-based line of a path; of the closest thing around it where it is not in the document."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 1

    def problem(self, path: Path, message: str, suggestion: str) -> Problem:
        return Problem(self.file, self.line(path), path_text(path), message, suggestion)


def path_text(path: Path) -> str:
    """A path as `steps[1].send.channel`; the document itself is `document`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "document"


def read(text: str, file: str) -> Source:
    """Read one document. Raises InvalidDocumentError where it is no YAML; lesser faults stand in `problems`."""
    source = Source(file)
    if len(text.encode("utf-8", "replace")) > MAX_SIZE:
        raise _refusal(file, 1, f"the document is larger than {MAX_SIZE // 1024} KB", "Split it into several")
    try:
        node = yaml.compose(text, Loader=_Composer)
    except _RefusedError as error:
        raise _refusal(file, error.line, error.said, error.suggestion) from error
    except yaml.MarkedYAMLError as error:
        mark = error.context_mark if "end of stream" in (error.problem or "") else error.problem_mark
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _refusal(file, _line(mark or error.context_mark), f"not valid YAML: {said}", _QUOTE) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        said = f"the character U+{error.character:04X} is not allowed in YAML"
        raise _refusal(file, line, said, "Remove it, or write it escaped in double quotes") from error
    if node is None:
        raise _refusal(file, 1, "the document is empty", "Write it as `key: value` lines; see examples/")
    source.lines[()] = _line(node.start_mark)
    source.data = _value(node, (), source)
    return source


class _RefusedError(yaml.YAMLError):
    """YAML that is valid and not wanted here."""

    def __init__(self, line: int, said: str, suggestion: str) -> None:
        super().__init__(said)
        self.line = line
        self.said = said
        self.suggestion = suggestion


class _Composer(yaml.SafeLoader):
    """PyYAML's composer without aliases and tags, and with a bound on nesting."""

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


def _value(node: Node, path: Path, source: Source) -> Any:
    match node:
        case ScalarNode():
            text = _storable(node.value, path, source)
            return _scalar(text) if node.style is None else text
        case SequenceNode():
            items = []
            for index, item in enumerate(node.value):
                source.lines[(*path, index)] = _line(item.start_mark)
                items.append(_value(item, (*path, index), source))
            return items
        case MappingNode():
            return _mapping(node, path, source)
    raise AssertionError(node)


def _mapping(node: MappingNode, path: Path, source: Source) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = _line(key_node.start_mark)
        key = _storable(key_node.value, path, source) if isinstance(key_node, ScalarNode) else ""
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
            values[key] = _value(value_node, (*path, key), source)
    return values


def _storable(text: str, path: Path, source: Source) -> str:
    """The text without what nobody could store or print, which is a problem: whoever shows it need not fear it."""
    replaced = _UNSTORABLE.sub("\ufffd", text)
    if replaced != text:
        said = "the text holds an escaped character that cannot be stored"
        source.problems.append(source.problem(path, said, "Remove `\\0` and lone surrogates"))
    return replaced


def _scalar(text: str) -> str | int | float | bool | None:
    """A plain scalar by YAML 1.2's core schema; a number that JSON could not carry stays a text."""
    if text in ("", "~", "null", "Null", "NULL"):
        return None
    if text in ("true", "True", "TRUE", "false", "False", "FALSE"):
        return text[0] in "tT"
    if _INTEGER.fullmatch(text):
        return int(text)
    if _HEX_OR_OCTAL.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text


def _line(mark: Any) -> int:
    return mark.line + 1 if mark is not None else 1


def _refusal(file: str, line: int, said: str, suggestion: str) -> InvalidDocumentError:
    return InvalidDocumentError([Problem(file, line, path_text(()), said, suggestion)])
