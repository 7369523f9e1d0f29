"""What a piece of Liquid may be, found out in one pass before the library's lexer sees it.

The lexer looks for the end of a tag from each of its beginnings, and goes over white space again and again: with these
bounds, its time is linear in the size of the text.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TAGS = 10_000
MAX_TAG_CHARACTERS = 2_000
# Tags of whole programs: bounded as a whole, and as tags by their lines.
MAX_LIQUID_TAG_CHARACTERS = 16_000
MAX_BRACKETS = 50
MAX_BLANKS = 100

_OPENING = re.compile(r"\{\{|\{%")
_NAME = re.compile(r"\{%-?\s{0,100}(#|\w{0,50})")
_BLANKS = re.compile(rf"\s{{{MAX_BLANKS},}}")
_RAW = {"raw": re.compile(r"\{%-?\s*endraw\s*-?%\}"), "doc": re.compile(r"\{%-?\s*enddoc\s*-?%\}")}


class Excess(NamedTuple):
    """What is beyond a bound: the index at which, what it is, and what would be right."""

    at: int
    message: str
    suggestion: str


def first_excess(source: str) -> Excess | None:
    """The first thing for which the lexer and the parser would take too long, or that never ends; None for none."""
    return next(_excesses(source), None)


def _excesses(source: str) -> Iterator[Excess]:
    at = tags = 0
    while found := _OPENING.search(source, at):
        begin = found.start()
        tags += 1
        if tags > MAX_TAGS:
            yield Excess(begin, f"there are more than {MAX_TAGS:,} tags and outputs", "Split the template")
        closing = "}}" if found[0] == "{{" else "%}"
        end = source.find(closing, begin + 2)
        if end < 0:
            yield Excess(begin, f"this is not Liquid: `{found[0]}` has no `{closing}`", f"Close it with `{closing}`")
            return
        yield from _within_tag(source, begin, end + 2)
        at = end + 2
        if (name := _name(source, begin)) in _RAW:
            closed = _RAW[name].search(source, at)
            if closed is None:
                yield Excess(begin, f"this is not Liquid: `{name}` does not end", f"Add {{% end{name} %}}")
                return
            at = closed.end()


def _name(source: str, begin: int) -> str:
    found = _NAME.match(source, begin)
    return found[1] if found else ""


def _within_tag(source: str, begin: int, end: int) -> Iterator[Excess]:
    is_program = _name(source, begin) == "liquid"
    if end - begin > (MAX_LIQUID_TAG_CHARACTERS if is_program else MAX_TAG_CHARACTERS):
        yield Excess(begin, f"a tag is longer than {MAX_TAG_CHARACTERS:,} characters", "Use several, with assign")
        return
    if blanks := _BLANKS.search(source, begin, end):
        yield Excess(blanks.start(), "there is a tag with much white space", f"Leave fewer than {MAX_BLANKS} blanks")
    start = begin
    for line in source[begin:end].splitlines(keepends=True) if is_program else [source[begin:end]]:
        if len(line) > MAX_TAG_CHARACTERS:
            yield Excess(start, f"a line is longer than {MAX_TAG_CHARACTERS:,} characters", "Use several, with assign")
        if line.count("(") + line.count("[") > MAX_BRACKETS or line.count(".") > 10 * MAX_BRACKETS:
            yield Excess(start, "this expression has too many brackets", "Use assign for its parts")
        start += len(line)
