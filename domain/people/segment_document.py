"""The document of a segment: people who satisfy a condition, at any instant."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Final

from msgspec import Struct
from msgspec.structs import replace
from pydantic import AfterValidator, Field

from domain.campaign.expression_fields import condition
from domain.campaign.schema import DocumentModel, Given, Text, pattern_check
from domain.campaign.schema_errors import validate
from domain.conditions.expressions import ConditionError, ExpressionScope, check_names
from domain.deployed_names import DeployedNames
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.segments.definition import OnChange, SegmentRule
from domain.people.segments.keys import AUTHORED_KEY_PATTERN, check_authored_key
from domain.people.segments.negations import find_unguarded
from domain.people.segments.references import compile_rule, find_circle

# Each is judged for the people that it may concern, and everyone is by a new one.
MAX_SEGMENTS: Final = 500
# The name of a condition without a file, in problems.
CONDITION: Final = "condition"


class SegmentDocument(DocumentModel):
    """People who satisfy a condition; they join and leave by themselves."""

    synonyms: ClassVar[Mapping[str, str]] = {
        **{"condition": "where", "filter": "where", "when": "where", "if": "where", "query": "where"},
        **{"id": "key", "title": "name", "label": "name", "notes": "description"},
    }

    key: Annotated[Text, AfterValidator(check_authored_key), pattern_check(AUTHORED_KEY_PATTERN, "lapsing-buyers")] = (
        Field(description="the name that conditions and triggers use: `lapsing-buyers`")
    )
    name: Text = Field(description="the name that people read")
    description: Annotated[str | None, Given] = Field(None, max_length=2_000, description="what it is for")
    where: Annotated[str, condition(ExpressionScope.SEGMENT_WHERE)] = Field(
        description="a condition in CEL over the profile and the account: `profile.computed.orders >= 1`"
    )
    on_change: OnChange = Field(
        "silent",
        description="whether a new definition moves people without triggers (`silent`) or with them (`trigger`)",
    )


class SegmentSource(Struct, frozen=True):
    """The text of a document, and its file's name."""

    source: str
    file: str


class CheckedSegment(Struct, frozen=True):
    """A valid document, its rule, and its doubtful places."""

    source: YamlSource
    text: str
    key: str
    name: str
    rule: SegmentRule
    warnings: Sequence[Problem]


def parse_segment(text: str, file: str) -> CheckedSegment:
    """Check a document by itself. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(SegmentDocument, source)
    problems += source.problems
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    rule = SegmentRule(document.where, document.on_change)
    warnings = [*source.warnings, *_warn_of_negations(source, rule)]
    return CheckedSegment(source, text, document.key, document.name, rule, warnings)


def check_segments(
    texts: Sequence[SegmentSource], names: DeployedNames, deployed: Mapping[str, SegmentRule]
) -> list[CheckedSegment]:
    """Check documents together, by the names and the segments of a deployment.

    Raises InvalidDocumentError with the problems of all.
    """
    checked: list[CheckedSegment] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            checked.append(parse_segment(text.source, text.file))
        except InvalidDocumentError as error:
            problems += error.problems
    problems += find_shared_segment_keys(checked)
    rules = {**deployed, **{one.key: one.rule for one in checked}}
    known = replace(names, segments=rules.keys())
    for number, one in enumerate(checked, 1):
        problems += _find_unknown(one, known)
        if one.key not in deployed and len(deployed.keys() | {each.key for each in checked[:number]}) > MAX_SEGMENTS:
            said = f"a deployment has at most {MAX_SEGMENTS} segments, and this would be one more"
            problems.append(one.source.problem(("key",), said, "First delete one: `sojourn segments delete`"))
        if (circle := find_circle(one.key, rules)) is not None:
            way = " reads ".join(f"`{key}`" for key in circle)
            said = f"the segment reads itself: {way}"
            problems.append(one.source.problem(("where",), said, "Write one of the conditions without the other"))
    if problems:
        raise InvalidDocumentError(problems)
    return checked


def check_segment_condition(where: str, names: DeployedNames) -> list[Problem]:
    """Check a condition by the names of a deployment; return warnings.

    Raises InvalidDocumentError.
    """
    source = YamlSource(CONDITION, data={})
    rule = SegmentRule(where)
    try:
        compile_rule(rule)
        check_names(where, ExpressionScope.SEGMENT_WHERE, names)
    except ConditionError as error:
        raise InvalidDocumentError([source.problem(("where",), error.message, error.suggestion)]) from error
    return list(_warn_of_negations(source, rule))


def find_shared_segment_keys(checked: Sequence[CheckedSegment]) -> Iterator[Problem]:
    """Find documents that have the key of one before them."""
    first: dict[str, str] = {}
    for one in checked:
        if one.key in first:
            said = f"`{one.key}` is the key of {first[one.key]} as well"
            yield one.source.problem(("key",), said, "Give each segment a key of its own")
        first.setdefault(one.key, one.source.file)


def _find_unknown(one: CheckedSegment, names: DeployedNames) -> Iterator[Problem]:
    try:
        check_names(one.rule.where, ExpressionScope.SEGMENT_WHERE, names)
    except ConditionError as error:
        yield one.source.problem(("where",), error.message, error.suggestion)


def _warn_of_negations(source: YamlSource, rule: SegmentRule) -> Iterator[Problem]:
    for trait in find_unguarded(compile_rule(rule)):
        said = f"people who have just come are in it as well: nothing of theirs is in `{trait}` yet"
        remedy = 'If they should not be, add `&& known_for("14d")` beside it, with the span of the trait'
        yield source.problem(("where",), said, remedy)
