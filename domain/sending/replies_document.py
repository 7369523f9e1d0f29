"""The document of replies: patterns by which the text of a reply is told."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

from msgspec import Struct
from pydantic import AfterValidator, Field

from domain.campaign.schema import DocumentModel, Listed, Slug, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.conditions.cel_patterns import PatternError, compile_pattern
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem

INITIAL_REPLIES: Final = "patterns: []\n"
MAX_PATTERNS: Final = 100
MAX_EXPRESSIONS: Final = 20
MAX_CHARACTERS: Final = 500
# A person writes as they like.
_ANY_CASE: Final = "(?i)"


class ReplyPattern(Struct, frozen=True):
    """A kind of reply: one in whose text one of the expressions is found."""

    name: str
    when: tuple[str, ...]


def _check_expression(expression: str) -> str:
    try:
        compile_pattern(_ANY_CASE + expression)
    except PatternError as error:
        refuse(f"{quote_value(expression)} is not a pattern: {error}", r"Write a regular expression: `\bprice\b`")
    return expression


Expression = Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS), AfterValidator(_check_expression)]


class PatternModel(DocumentModel):
    """A kind of reply, which the event `Email Replied` names."""

    name: Slug = Field(description='its name, as conditions read it: `"price" in event.properties.patterns`')
    when: Annotated[tuple[Expression, ...], Listed, Field(min_length=1, max_length=MAX_EXPRESSIONS)] = Field(
        description="regular expressions of RE2, in any letter case; one that is found in the text suffices"
    )


class RepliesDocument(DocumentModel):
    """The kinds of replies that campaigns answer."""

    patterns: Annotated[tuple[PatternModel, ...], Listed, Field(max_length=MAX_PATTERNS)] = Field(
        description="a list of patterns, `[]` for none"
    )


def parse_replies(text: str, file: str) -> tuple[ReplyPattern, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(RepliesDocument, source)
    problems += source.problems
    if document is not None:
        problems += _find_repeated(document, source)
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return tuple(ReplyPattern(one.name, one.when) for one in document.patterns)


def to_document(rule: ReplyPattern) -> dict[str, Any]:
    """Return a rule as authors write it."""
    return {"name": rule.name, "when": list(rule.when)}


def find_patterns(rules: Sequence[ReplyPattern], text: str) -> tuple[str, ...]:
    """Return the names of the patterns that are found in a text, in their order."""
    return tuple(
        rule.name
        for rule in rules
        if any(compile_pattern(_ANY_CASE + expression).search(text) for expression in rule.when)
    )


def _find_repeated(document: RepliesDocument, source: YamlSource) -> Iterator[Problem]:
    used: set[str] = set()
    for number, pattern in enumerate(document.patterns):
        if pattern.name in used:
            path = ("patterns", number, "name")
            yield source.problem(path, f"`{pattern.name}` is used twice", "Write another name")
        used.add(pattern.name)
