"""The small Markdown of rich texts, and the tree that a page shows for HTML.

Paragraphs, `**bold**`, `*italic*`, `[text](url)`, `![alt](src)`, lists of lines with `- `, and a `\\` before what is
meant as it stands. Printed values are put out of reach of the syntax, character by character, so they are plain text
wherever they stand, and a filter that cuts one in two does no harm.
"""

import re
import string
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Final

from domain.templates.liquid_bounds import iter_pieces

# {t: "p" | "ul" | "li" | "b" | "i", c: nodes}, {t: "a", href, c}, {t: "img", src, alt}, {t: "text", v}, {t: "br"}
RichNode = dict[str, Any]

# Values are moved to the last plane of Unicode, which is for private use, and come back after the parse.
_PLANE: Final = 0x100000
_SYNTAX: Final = f"{string.punctuation} \t\r\n"
_HIDE: Final = str.maketrans({character: chr(_PLANE + ord(character)) for character in _SYNTAX})
# Stands before each value, so that an empty one leaves no `**` behind.
_MARK: Final = "\U0010fffd"
_SHOW: Final[dict[int, str | None]] = {
    **{_PLANE + ord(character): character for character in _SYNTAX},
    **{code: None for code in (*range(0x20), 0x7F, ord(_MARK)) if chr(code) not in "\t\r\n"},
}
# Stands for a piece of Liquid where only the author's own text is read.
UNKNOWN: Final = "\U0010fffc"

_ITEM: Final = re.compile(r"[ ]{0,3}[-*] +(?=\S)")
_BREAK: Final = re.compile(r"(?: {2,}|\\)$")
_BRACKET: Final = re.compile(r"\\.|[\[\]()]")
_OTHERS: Final[Sequence[tuple[re.Pattern[str], str]]] = (
    (re.compile(r"^ {0,3}#{1,6} ", re.MULTILINE), "a heading"),
    (re.compile(r"^ {0,3}\d{1,9}[.)] ", re.MULTILINE), "a list with numbers"),
    (re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE), "a block of code"),
    (re.compile(r"^ {0,3}> ", re.MULTILINE), "a quotation"),
    (re.compile(r"`[^`\n]+`"), "code"),
    (re.compile(r"</?[A-Za-z][^<>\n]*>"), "HTML"),
)


def hide_syntax(value: str) -> str:
    """Return a value as a text of Markdown has it: without a character of the syntax."""
    return _MARK + value.translate(_HIDE)


def parse_markdown(text: str) -> list[RichNode]:
    """Return the tree of a rendered text. Its links are as written, and not checked."""
    nodes: list[RichNode] = []
    for lines in _split_paragraphs(text):
        items = [number for number, line in enumerate(lines) if _ITEM.match(line)]
        first = items[0] if items else len(lines)
        _append(nodes, "p", _parse_lines(lines[:first]))
        listed: list[RichNode] = []
        for begin, end in pairwise([*items, len(lines)]):
            _append(listed, "li", _parse_lines([_ITEM.sub("", lines[begin], count=1), *lines[begin + 1 : end]]))
        _append(nodes, "ul", listed)
    return nodes


def parse_source(source: str) -> list[RichNode]:
    """Return the tree of an author's text, with UNKNOWN for each piece of Liquid."""
    kept: list[str] = []
    at = 0
    for piece in iter_pieces(source):
        kept += [source[at : piece.begin], UNKNOWN]
        at = piece.end
    return parse_markdown("".join([*kept, source[at:]]))


def iter_nodes(nodes: Sequence[RichNode]) -> Iterator[RichNode]:
    """Iterate over all nodes of a tree."""
    for node in nodes:
        yield node
        yield from iter_nodes(node.get("c", ()))


def flatten(nodes: Sequence[RichNode]) -> str:
    """Return a tree as plain text, with the alternatives of its images."""
    texts: list[str] = []
    for node in nodes:
        match node:
            case {"t": "text", "v": text} | {"t": "img", "alt": text}:
                texts.append(text)
            case {"t": "br"}:
                texts.append("\n")
            case {"t": "p" | "li", "c": children}:
                texts += [flatten(children), "\n"]
            case {"c": children}:
                texts.append(flatten(children))
    return "".join(texts)


def find_unread(source: str) -> Iterator[tuple[int, str]]:
    """Find Markdown that is shown as it stands: its index in the text, and a name."""
    for pattern, name in _OTHERS:
        for found in pattern.finditer(source):
            yield found.start(), name


def _split_paragraphs(text: str) -> Iterator[list[str]]:
    lines: list[str] = []
    for line in text.split("\n"):
        if line.strip():
            lines.append(line)
        elif lines:
            yield lines
            lines = []
    if lines:
        yield lines


def _append(nodes: list[RichNode], tag: str, children: list[RichNode]) -> None:
    """Add an element, unless nothing of it would be seen."""
    if any(node["t"] != "br" and node.get("v", "x").strip() for node in children):
        nodes.append({"t": tag, "c": children})


def _parse_lines(lines: Sequence[str]) -> list[RichNode]:
    """Return the content of a paragraph: its lines in one, unless one ends in a break."""
    parts: list[str] = []
    nodes: list[RichNode] = []
    for number, line in enumerate(lines):
        has_break = number < len(lines) - 1 and _BREAK.search(line) is not None
        parts.append(_BREAK.sub("", line).strip(" \t") if has_break else line.strip(" \t"))
        if has_break:
            nodes += [*_Inline(" ".join(parts)).parse(), {"t": "br"}]
            parts = []
    return [*nodes, *_Inline(" ".join(parts)).parse()]


class _Inline:
    """The inline syntax of one text, read in one pass from left to right."""

    def __init__(self, text: str, inside: frozenset[str] = frozenset()) -> None:
        self._text = text
        self._inside = inside
        self._nodes: list[RichNode] = []
        self._plain: list[str] = []
        self._closings = _match_brackets(text)
        # Once there is no closing behind an index, there is none behind a later one.
        self._unclosed: set[str] = set()

    def parse(self) -> list[RichNode]:
        text, at = self._text, 0
        while at < len(text):
            end = self._read_element(at)
            if end is None:
                escaped = text[at] == "\\" and at + 1 < len(text) and text[at + 1] in string.punctuation
                end = at + (2 if escaped else 1)
                self._plain.append(text[end - 1])
            at = end
        self._end_text()
        return self._nodes

    def _read_element(self, at: int) -> int | None:
        """Read an element that begins here; return its end, None if none does."""
        text = self._text
        if text.startswith("**", at):
            return self._read_emphasis(at, "**", "b")
        if text[at] == "*":
            return self._read_emphasis(at, "*", "i")
        if text.startswith("![", at):
            return self._read_link(at + 1, "img")
        if text[at] == "[" and "a" not in self._inside:
            return self._read_link(at, "a")
        return None

    def _read_emphasis(self, at: int, marker: str, tag: str) -> int | None:
        begin = at + len(marker)
        if tag in self._inside or tag in self._unclosed or begin >= len(self._text) or self._text[begin] == " ":
            return None
        end = self._find_closing(begin, marker)
        if end is None:
            self._unclosed.add(tag)
            return None
        self._add(tag, self._text[begin:end])
        return end + len(marker)

    def _find_closing(self, begin: int, marker: str) -> int | None:
        """Return where the marker closes: after no blank, not escaped, and not another."""
        text, at = self._text, begin
        while (at := text.find(marker, at)) >= 0:
            if marker == "*" and text.startswith("**", at):
                # A pair within italic text is bold text of its own.
                at += 2
            elif text[at - 1] in "\\ ":
                at += 1
            else:
                # In `***`, the inner element ends first.
                return at + 1 if marker == "**" and text.startswith("***", at) and "i" not in self._inside else at
        return None

    def _read_link(self, at: int, tag: str) -> int | None:
        """Read `[label](target)` from its first bracket on."""
        end = self._closings.get(at)
        close = None if end is None else self._closings.get(end + 1)
        if end is None or close is None or self._text[end + 1] != "(":
            return None
        label, target = self._text[at + 1 : end], _decode(self._text[end + 2 : close]).strip()
        if tag == "a":
            self._add("a", label, href=target)
        elif target:
            self._end_text()
            self._nodes.append({"t": "img", "src": target, "alt": _one_line(label)})
        return close + 1

    def _add(self, tag: str, inner: str, **attributes: str) -> None:
        """Add an element; of a link that leads nowhere, its words alone."""
        children = _Inline(inner, self._inside | {tag}).parse()
        if children:
            self._end_text()
            leads_nowhere = attributes.get("href") == ""
            self._nodes += children if leads_nowhere else [{"t": tag, **attributes, "c": children}]

    def _end_text(self) -> None:
        shown = re.sub(r"\s+", " ", _decode("".join(self._plain)))
        self._plain = []
        if shown:
            self._nodes.append({"t": "text", "v": shown})


def _match_brackets(text: str) -> dict[int, int]:
    """Return where each bracket closes that does, by where it opens."""
    opened: dict[str, list[int]] = {"[": [], "(": []}
    closings: dict[int, int] = {}
    for found in _BRACKET.finditer(text):
        if found[0] in opened:
            opened[found[0]].append(found.start())
        elif found[0] in "])" and (begun := opened["[" if found[0] == "]" else "("]):
            closings[begun.pop()] = found.start()
    return closings


def _decode(text: str) -> str:
    return text.translate(_SHOW)


def _one_line(text: str) -> str:
    return " ".join(_decode(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)).split())
