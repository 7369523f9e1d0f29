"""Parse as much of a piece of Liquid as possible, and report the other faults."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import liquid
from liquid.exceptions import LiquidError

from domain.suggestions import did_you_mean
from domain.templates.liquid_bounds import (
    CLOSING_TAGS,
    COMPLETIONS,
    OPAQUE_TAGS,
    LiquidFault,
    Piece,
    RepairedText,
    check_bounds,
    repair,
)
from domain.templates.liquid_nodes import replace_comparisons

_SECOND_ELSE = (
    "a part stands behind `else`",
    "Move it before `else`, which is the last part of its block, or leave it out",
)
# The library's names for what stands between tags, for outputs, and for what it cannot read.
_UNQUOTED_LAYOUT = re.compile(r"(\bdate:) {0,9}(%[^|}]{1,99})")
# The library's text of an `else` that is written wrongly, and what would be right.
_MISPLACED_ELSE = {
    "found an 'else' tag expression, did you mean 'elsif'?": ("`else` has no condition", "Write {% elsif … %}"),
    "expected tag endif, found tag": _SECOND_ELSE,
    "expected tag endunless, found tag": _SECOND_ELSE,
}
_INTERNAL_TAGS = frozenset({"content", "illegal", "output"})


class ParsedLiquid(NamedTuple):
    """The template, its text, and the faults, each with the text of its index.

    All texts have the same lines. The template is None where nothing can be read.
    """

    template: liquid.BoundTemplate | None
    text: RepairedText
    faults: list[tuple[LiquidFault, str]]


def parse_liquid(source: str, environment: liquid.Environment) -> ParsedLiquid:
    """Parse a text of bounded size; replace and report its invalid parts."""
    text = check_bounds(source)
    faults = [(fault, source) for fault in text.faults]
    template = _parse(text.source, environment)
    if isinstance(template, LiquidFault):
        # The library stops at the first piece that it cannot read, so each is read by itself.
        before, text = text, repair(text, _PieceParser(text.source, environment))
        faults += [(fault, before.source) for fault in text.faults]
        template = _parse(text.source, environment)
    if isinstance(unreadable := template, LiquidFault):
        if text.has_all_blocks:
            faults.append((unreadable, text.source))
        # The outputs alone, for what else is wrong with them. Within opaque blocks they are none.
        kept = {"", *OPAQUE_TAGS, *(f"end{name}" for name in OPAQUE_TAGS)}
        text = repair(text, lambda piece: [unreadable] if piece.name not in kept else [], keeps_blocks=False)
        template = _parse(text.source, environment)
    return ParsedLiquid(None if isinstance(template, LiquidFault) else template, text, faults)


def known_tags(environment: liquid.Environment) -> frozenset[str]:
    """Return the names of the tags that a template may have, within blocks as well."""
    return frozenset(environment.tags) - _INTERNAL_TAGS | COMPLETIONS.keys() | {"else"}


class _PieceParser:
    """Reports the fault of a piece that is read by itself."""

    def __init__(self, source: str, environment: liquid.Environment) -> None:
        self._source = source
        self._environment = environment
        self._tags = known_tags(environment)
        self._ends_told: set[str] = set()
        self._is_comment = False
        self._open: list[str] = []

    def __call__(self, piece: Piece) -> Iterator[LiquidFault]:
        name = piece.name
        self._is_comment = name == "comment" or (self._is_comment and name != "endcomment")
        if name in CLOSING_TAGS and name != "else" and self._open:
            self._open.pop()
        if f"end{name}" in CLOSING_TAGS:
            self._open.append(name)
        if self._is_comment or name in CLOSING_TAGS or name in self._ends_told:
            return
        if name.startswith("end"):
            begun = f"end{self._open[-1]}" if self._open else None
            suggestion = f"Write {{% {begun} %}}" if begun else "Leave it out: nothing is open here"
            yield LiquidFault(piece.begin, f"there is no tag '{name}'", suggestion)
            return
        if name and name not in self._tags:
            self._ends_told.add(f"end{name}")
            yield LiquidFault(piece.begin, f"there is no tag '{name}'", did_you_mean(name, sorted(self._tags), "Tags"))
            return
        before, after = COMPLETIONS.get(name, ("", ""))
        fault = _parse(f"{before}{self._source[piece.begin : piece.end]}{after}", self._environment)
        if isinstance(fault, LiquidFault):
            self._ends_told.add(f"end{name}")
            text = self._source[piece.begin : piece.end]
            if unquoted := _UNQUOTED_LAYOUT.search(text):
                fault = fault._replace(suggestion=f"Put the layout in quotes: {unquoted[1]} '{unquoted[2].strip()}'")
            yield fault._replace(at=piece.begin + max(fault.at - len(before), 0))


def _parse(source: str, environment: liquid.Environment) -> liquid.BoundTemplate | LiquidFault:
    """Return the template, or the library's fault; at -1, if that has no place."""
    try:
        template = environment.from_string(source)
        replace_comparisons(template)
    except (LiquidError, RecursionError) as error:
        if isinstance(error.__cause__ or error.__context__, MemoryError):
            # The library takes it for a fault of the text.
            raise MemoryError from error
        said, at = "too deeply nested", 0
        if isinstance(error, LiquidError):
            said, at = str(error.message), error.token.start_index if error.token else -1
        said, suggestion = _MISPLACED_ELSE.get(said, (said, "Mend the tag or the expression"))
        return LiquidFault(at, f"this is not Liquid: {said}", suggestion)
    return template
