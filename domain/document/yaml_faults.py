"""The errors of YAML's parser in an author's words, with line and remedy.

The parser speaks of its own states ("expected <block end>"). Its rarer errors keep its words.
"""

import re
from typing import Final, NamedTuple

import yaml


class YamlFault(NamedTuple):
    """Why a text is not YAML. `line` is 1-based."""

    line: int
    message: str
    suggestion: str


class _Known(NamedTuple):
    """An error that has words of its own.

    Its line is that of the problem, or `at_beginning` the one where the parser began the part that has it.
    """

    problem: re.Pattern[str]
    message: str
    suggestion: str
    at_beginning: bool = False


_QUOTE: Final = "Check the indentation; put a text with `: `, ` #` or quotes of its own into single quotes"
_INDENT: Final = "Align it with the lines that belong beside it; two blanks for each level"
# The first that matches counts.
_KNOWN: Final = tuple(
    _Known(re.compile(problem), *said)
    for problem, *said in (
        (
            r"expected <block end>, but found '(<block (mapping|sequence) start>|-|\?)'",
            "the line is indented otherwise than those it belongs to",
            _INDENT,
        ),
        (
            r"expected <block end>, but found '<scalar>'",
            "there is more text after the closing quote",
            "Put the whole text into quotes, and double a quote within it: `'It''s here'`",
        ),
        (
            r"mapping values are not allowed",
            "the line has a `:` where no key can stand",
            "Put a text with `: ` into single quotes; check the indentation of a key",
        ),
        (
            r"could not find expected ':'",
            "the line is neither `key: value` nor a `- ` item",
            "Write `key: value`; indent it further if it goes on with the text above",
            True,
        ),
        (
            r"sequence entries are not allowed",
            "a `- ` item stands beside its key",
            "Begin the list in a line of its own, below the key",
        ),
        (r"found unexpected end of stream", "a quote is opened here and never closed", "Close it", True),
        (
            r"found character '\\t'",
            "the line is indented by a tab",
            "Indent by blanks",
        ),
        (
            r"found character '(?P<found>.)' that cannot start any token",
            "a text cannot begin with `{found}`",
            "Put it into single quotes",
        ),
        (
            r"expected ',' or '(?P<found>[\]}])'",
            "a list or object in brackets has no `,` between two parts, or no `{found}` at its end",
            "Add it",
            True,
        ),
        (
            r"expected the node content, but found '(?P<found>[\]},])'",
            "there is a `{found}` that closes nothing",
            "Remove it, or put the text into single quotes",
        ),
        (
            r"found unknown escape character '(?P<found>.)'",
            "`{found}` means nothing after a `\\` between double quotes",
            "Use single quotes, where `\\` is a plain character",
        ),
        (
            r"expected a single document",
            "`---` begins a second document",
            "Write each into a file of its own",
        ),
    )
)


def explain(error: yaml.MarkedYAMLError) -> YamlFault:
    """Return an error of the parser as its author understands it."""
    said = ", ".join(part for part in (error.context, error.problem) if part)
    for known in _KNOWN:
        if (match := known.problem.search(said)) is None:
            continue
        found = match.groupdict().get("found") or ""
        message = known.message.replace("`{found}`", "a backtick" if found == "`" else f"`{found}`")
        return YamlFault(_line(error, known.at_beginning), message, known.suggestion)
    return YamlFault(_line(error, False), f"not valid YAML: {said}", _QUOTE)


def _line(error: yaml.MarkedYAMLError, at_beginning: bool) -> int:
    marks = [error.problem_mark, error.context_mark]
    mark = next(mark for mark in (reversed(marks) if at_beginning else marks) if mark is not None)
    line: int = mark.line + 1
    return line
