"""MJML: compiled to HTML when a campaign is checked, with its Liquid kept.

The compiler knows no Liquid, so each tag and output is a token while it runs. A tag between two elements is a comment,
which the compiler keeps in its place; any other is a word in a text or in the value of an attribute.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from typing import Final, NamedTuple

from mjml import mjml2html

from domain.errors import Problem
from domain.templates.front_matter import Field
from domain.templates.liquid_bounds import OPAQUE_TAGS, iter_pieces
from domain.templates.liquid_text import SourceLocation
from domain.templates.mjml_structure import Fault, find_structure
from domain.templates.parts import TextPart, cut, join_parts

MAX_FAULTS: Final = 50
_POSITION = re.compile(r"(?P<said>.*?)(?: in root template)?(?: at position (?P<begin>\d+):\d+)?")
# Tags of whose content nothing is put out as markup where it stands.
_KEEPS: Final = OPAQUE_TAGS | {"capture"}
# Up to its end, or that of the text: `sub` must not search inside it again.
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_ELEMENT = re.compile(r"<mj(?:ml|-[a-z]+)\b", re.IGNORECASE)
_START = re.compile(r"<mjml\b")
_HAS_LANGUAGE = re.compile(r"<mjml\b[^>]*?\slang\s*=")
# The compiler's own words, and plain ones.
_SAID: Final = {
    "unexpected end of stream": "an element is not closed",
    "unable to parse next template": "this is not the markup of MJML",
    "unable to find mjml element": "there is no <mjml> element",
}


class _Marked(NamedTuple):
    """A text with tokens for its pieces of Liquid, and where both came from.

    `starts` are the indices at which spans of the marked text begin, and `origins` those in the text before.
    """

    text: str
    pieces: list[TextPart]
    token: re.Pattern[str]
    starts: list[int]
    origins: list[int]
    place: SourceLocation

    def before(self, index: int) -> int:
        """Return the index in the text before."""
        span = bisect_right(self.starts, index) - 1
        return self.origins[span] + index - self.starts[span]


def compile_mjml(source: Field, language: str | None = None) -> tuple[Field | None, list[Problem]]:
    """Return the HTML of a text in a language, or the faults of its MJML.

    Its Liquid has no faults. The HTML has the places of the pieces of Liquid that it was compiled from.
    """
    start = _START.search(source.value)
    if start is None:
        said = source.place.at(source.value, 0).problem("there is no <mjml> element", "Add one, or name a layout")
        return None, [said]
    marked = _mark(source)
    body = marked.text.index("<mjml")
    before = marked.token.sub("", marked.text[:body]).strip()
    between: list[int] = []
    faults = [] if not before else [Fault(0, "text stands before <mjml>", "Take it out")]
    faults += [*_shift(find_structure(marked.text[body:], marked.token, between), body)]
    faults += [*_shift(_find_outputs(marked, body, between), body)]
    if not faults:
        text = _comment_out(marked.text[body:], marked.token, between)
        parts, faults = _compile(text, marked, body, language)
        if not faults:
            leading = [marked.pieces[int(found[1])] for found in marked.token.finditer(marked.text[:body])]
            return join_parts([*leading, *parts], source.place), []
    return None, [
        source.place.at(source.value, marked.before(fault.at)).problem(fault.message, fault.suggestion)
        for fault in faults[:MAX_FAULTS]
    ]


def find_stray_mjml(html: Field) -> list[Problem]:
    """Find MJML in a text that is not compiled."""
    found = _ELEMENT.search(_COMMENT.sub(lambda comment: " " * len(comment[0]), html.value))
    if found is None:
        return []
    said = f"`{found[0]}` is MJML, and the file is HTML"
    place = html.place.at(html.value, found.start())
    return [place.problem(said, "Call the file NAME.mjml instead of NAME.liquid, so that it is compiled")]


def _mark(source: Field) -> _Marked:
    """Put a token for each piece of Liquid, of a form that the text does not have."""
    text = source.value
    prefix = next(prefix for number in count() if (prefix := f"sj{number}q") not in text)
    marked: list[str] = []
    pieces: list[TextPart] = []
    starts, origins = [0], [0]
    length = at = 0
    for begin, end in _spans(text):
        token = f"{prefix}{len(pieces)}z"
        marked += [text[at:begin], token]
        starts += [length + begin - at, length + begin - at + len(token)]
        origins += [begin, end]
        length += begin - at + len(token)
        pieces.append(cut(source, begin, end))
        at = end
    marked.append(text[at:])
    place = replace(source.place.at(text, 0), is_verbatim=False)
    return _Marked("".join(marked), pieces, re.compile(rf"{prefix}(\d+)z"), starts, origins, place)


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Iterate over the pieces of Liquid, each with what it keeps from the output."""
    until = 0
    for piece in iter_pieces(text):
        if piece.begin < until:
            continue
        until = piece.end
        if piece.name in _KEEPS:
            closing = re.compile(rf"\{{%-?\s*end{piece.name}\s*-?%\}}").search(text, until)
            until = closing.end() if closing else until
        yield piece.begin, until


def _find_outputs(marked: _Marked, body: int, between: Sequence[int]) -> Iterator[Fault]:
    """Find outputs between elements: their values would be between rows of a table."""
    for at in between:
        found = marked.token.match(marked.text, body + at)
        if found is not None and marked.pieces[int(found[1])].text.startswith("{{"):
            yield Fault(at, "a value is put out between the elements of MJML", "Put it into an mj-text")


def _shift(faults: Iterator[Fault], by: int) -> Iterator[Fault]:
    return (fault._replace(at=fault.at + by) for fault in faults)


def _comment_out(text: str, token: re.Pattern[str], between: Sequence[int]) -> str:
    """Make comments of the tokens between elements, or alone in an mj-raw.

    Within a column, the compiler makes a row of a table of an mj-raw.
    """
    stands = frozenset(between)
    text = token.sub(lambda found: f"<!--{found[0]}-->" if found.start() in stands else found[0], text)
    alone = re.compile(rf"<mj-raw>((?:\s|{token.pattern.replace('(', '(?:')})*)</mj-raw>")
    return alone.sub(lambda found: token.sub(lambda inner: f"<!--{inner[0]}-->", found[1]), text)


def _compile(text: str, marked: _Marked, body: int, language: str | None) -> tuple[list[TextPart], list[Fault]]:
    """Return the HTML with its Liquid, or the faults that the compiler finds."""
    says_language = _HAS_LANGUAGE.match(text) is not None
    if language is not None and not says_language:
        text = _START.sub(f'<mjml lang="{language}"', text, count=1)
        says_language = True
    try:
        # Without the fonts that the compiler would load from Google: an author names fonts by mj-font.
        html = mjml2html(text, fonts={})
    except ValueError as error:
        return [], [_read_error(str(error), text, marked, body)]
    except BaseException as error:
        # The compiler is of Rust: its panic is not an Exception, and has a class that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        said = "the compiler of MJML fails on this text, which may be a fault of its own"
        return [], [Fault(body, said, "Write it in another way, or as HTML")]
    if not says_language:
        # Screen readers would take "und", which the compiler writes, for a language that they do not know.
        html = html.replace(' lang="und" dir="auto"', ' dir="auto"')
    parts: list[TextPart] = []
    seen: set[int] = set()
    place = marked.place
    at = 0
    for found in re.finditer(rf"<!--{marked.token.pattern}-->|{marked.token.pattern}", html):
        number = int(found[1] or found[2])
        parts += [TextPart(html[at : found.start()], place), marked.pieces[number]]
        place = replace(marked.pieces[number].place, is_verbatim=False)
        seen.add(number)
        at = found.end()
    lost = [
        Fault(
            found.start(),
            "the HTML does not have this Liquid: the compiler computes with the value, or drops it",
            "Write a constant here, or choose between elements by {% if … %}",
        )
        for found in marked.token.finditer(marked.text, body)
        if int(found[1]) not in seen
    ]
    return [*parts, TextPart(html[at:], place)], lost


def _read_error(error: str, text: str, marked: _Marked, body: int) -> Fault:
    """Place an error of the compiler at its line, whose number the text has, too."""
    found = _POSITION.fullmatch(error)
    said = found["said"] if found else error
    at = body
    if found and found["begin"]:
        line = text.encode()[: int(found["begin"])].count(b"\n")
        at += sum(len(each) for each in marked.text[body:].splitlines(keepends=True)[:line])
    return Fault(
        at, f"this is not MJML: {_SAID.get(said, said)}", "Write it as well-formed as XML: <br />, &amp;, &lt;"
    )
