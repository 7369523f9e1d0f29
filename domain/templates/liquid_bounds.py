"""Bounds of a Liquid text, checked in one pass before the library's lexer.

The lexer searches for the end of a tag from each of its beginnings, and scans white space repeatedly: with these
bounds, its time is linear in the size of the text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

MAX_TAGS = 10_000
MAX_TAG_CHARACTERS = 2_000
# Tags of whole programs are bounded in total, and each of their lines as a tag.
MAX_LIQUID_TAG_CHARACTERS = 16_000
MAX_BRACKETS = 50
MAX_BLANKS = 100

_OPENING = re.compile(r"\{\{|\{%")
_NAME = re.compile(r"\{%-?\s{0,100}(#|\w{0,50})")
_BLANKS = re.compile(rf"\s{{{MAX_BLANKS},}}")
# Tags without an end tag.
INLINE_TAGS = frozenset(
    {"#", "assign", "break", "continue", "cycle", "decrement", "echo", "increment", "liquid", "render"}
)
# Tags whose blocks contain no Liquid.
OPAQUE_TAGS = frozenset({"comment", "doc", "raw"})
_BLOCKS = ("if", "unless", "case", "for", "tablerow", "ifchanged", "capture", *OPAQUE_TAGS)
# Valid replacements of the tags that need others.
_REPLACEMENTS = {
    **{name: f"{{% {name} 1 %}}" for name in ("if", "unless", "elsif", "case", "when")},
    **{name: f"{{% {name} %}}" for name in ("else", "ifchanged", *OPAQUE_TAGS)},
    **{f"end{name}": f"{{% end{name} %}}" for name in _BLOCKS},
    "for": "{% for x in (1..1) %}",
    "tablerow": "{% tablerow x in (1..1) %}",
    "capture": "{% capture x %}",
}
_NAMELESS = _REPLACEMENTS.keys() - {"for", "tablerow", "capture"}
# Tags that are only valid with others, and the text that completes them.
CLOSING_TAGS = frozenset({"else", *(f"end{name}" for name in _BLOCKS)})
COMPLETIONS = {
    **{name: ("", f"{{% end{name} %}}") for name in _BLOCKS},
    "elsif": ("{% if 1 %}", "{% endif %}"),
    "when": ("{% case 1 %}", "{% endcase %}"),
}
_RAW = {"raw": re.compile(r"\{%-?\s*endraw\s*-?%\}"), "doc": re.compile(r"\{%-?\s*enddoc\s*-?%\}")}


class Piece(NamedTuple):
    """A tag or an output: its span, its tag's name (empty for an output), its lack.

    A piece without a closing is its opening alone; one without an end extends to the end of the text.
    """

    begin: int
    end: int
    name: str
    lacks: Literal["", "closing", "end", "room"] = ""


class LiquidFault(NamedTuple):
    """A fault: its index, its message, and its remedy."""

    at: int
    message: str
    suggestion: str


class RepairedText(NamedTuple):
    """A text whose faulty pieces are replaced, with the same number of lines.

    `replaced` are the names of their tags, or their lacks; `faults` are those of the text before.
    """

    source: str
    faults: tuple[LiquidFault, ...] = ()
    replaced: frozenset[str] = frozenset()

    @property
    def has_all_names(self) -> bool:
        """Whether all tags that name values are still there."""
        return self.replaced <= _NAMELESS

    @property
    def has_all_blocks(self) -> bool:
        """Whether all tags that begin and end blocks are still there, or may be."""
        return self.replaced <= _REPLACEMENTS.keys() | INLINE_TAGS


def check_bounds(source: str) -> RepairedText:
    """Remove pieces that never end, or that would take the parser too long."""
    return repair(RepairedText(source), lambda piece: _check_piece(source, piece))


def repair(
    text: RepairedText, faults_of: Callable[[Piece], Iterable[LiquidFault]], *, keeps_blocks: bool = True
) -> RepairedText:
    """Remove faulty pieces; a tag that others need may be replaced by a valid one."""
    source = text.source
    faults: list[LiquidFault] = []
    kept: list[str] = []
    replaced = set(text.replaced)
    at = 0
    for piece in iter_pieces(source):
        if found := list(faults_of(piece)):
            faults += found
            other = _REPLACEMENTS.get(piece.name, "") if keeps_blocks and not piece.lacks else ""
            replaced |= {piece.lacks or piece.name} if piece.name else set()
            kept += [source[at : piece.begin], other, "\n" * source.count("\n", piece.begin, piece.end)]
            at = piece.end
    return RepairedText("".join([*kept, source[at:]]), tuple(faults), frozenset(replaced))


def iter_pieces(source: str) -> Iterator[Piece]:
    """Iterate over the tags and outputs of a text."""
    at = number = 0
    endless: set[str] = set()
    while found := _OPENING.search(source, at):
        begin = found.start()
        number += 1
        if number > MAX_TAGS:
            yield Piece(begin, len(source), "rest", "room")
            return
        closing = "}}" if found[0] == "{{" else "%}"
        end = -1 if closing in endless else source.find(closing, begin + 2)
        if end < 0:
            # Later ones have no closing either.
            endless.add(closing)
            at = begin + 2
            yield Piece(begin, at, _read_name(source, begin), "closing")
            continue
        at = end + 2
        name = _read_name(source, begin)
        closed = _RAW[name].search(source, at) if name in _RAW else None
        if name in _RAW and closed is None:
            yield Piece(begin, len(source), name, "end")
            return
        yield Piece(begin, at, name)
        at = closed.end() if closed else at


def _read_name(source: str, begin: int) -> str:
    found = _NAME.match(source, begin)
    return found[1] if found else ""


def _check_piece(source: str, piece: Piece) -> Iterator[LiquidFault]:
    begin, end, name, lacks = piece
    match lacks:
        case "room":
            yield LiquidFault(begin, f"there are more than {MAX_TAGS:,} tags and outputs", "Split the template")
            return
        case "end":
            yield LiquidFault(begin, f"this is not Liquid: `{name}` does not end", f"Add {{% end{name} %}}")
            return
        case "closing":
            opening = source[begin:end]
            closing = "}}" if opening == "{{" else "%}"
            yield LiquidFault(
                begin, f"this is not Liquid: `{opening}` has no `{closing}`", f"Close it with `{closing}`"
            )
            return
    is_program = name == "liquid"
    if end - begin > (MAX_LIQUID_TAG_CHARACTERS if is_program else MAX_TAG_CHARACTERS):
        yield LiquidFault(begin, f"a tag is longer than {MAX_TAG_CHARACTERS:,} characters", "Use several, with assign")
        return
    if blanks := _BLANKS.search(source, begin, end):
        yield LiquidFault(
            blanks.start(), "there is a tag with much white space", f"Leave fewer than {MAX_BLANKS} blanks"
        )
    start = begin
    for line in source[begin:end].splitlines(keepends=True) if is_program else [source[begin:end]]:
        if len(line) > MAX_TAG_CHARACTERS:
            yield LiquidFault(
                start, f"a line is longer than {MAX_TAG_CHARACTERS:,} characters", "Use several, with assign"
            )
        if line.count("(") + line.count("[") > MAX_BRACKETS or line.count(".") > 10 * MAX_BRACKETS:
            yield LiquidFault(start, "this expression has too many brackets", "Use assign for its parts")
        start += len(line)
