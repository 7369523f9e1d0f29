"""The document of the life cycle: stages by condition, designed moves and aims."""

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Any, Final, Literal

from msgspec.structs import replace
from pydantic import AfterValidator, ConfigDict, Field

from domain.campaign.expression_fields import condition
from domain.campaign.schema import DocumentModel, Given, Listed, Text, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.conditions.cel_roots import STAGE_VARIABLE
from domain.conditions.expressions import ConditionError, ExpressionScope, check_names, compile_condition
from domain.deployed_names import DeployedNames
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.lifecycle import StageRule
from domain.people.segments.definition import SegmentRule
from domain.people.segments.references import find_circle
from domain.people.segments.stages import (
    MAX_STAGE_KEY_LENGTH,
    STAGE_KEY_PATTERN,
    STAGE_PREFIX,
    stage_segment,
)
from domain.suggestions import did_you_mean

INITIAL_LIFECYCLE: Final = "stages: []\n"
# A person is judged by all of them, and a table of moves has a row for each.
MAX_STAGES: Final = 30
EVERYONE: Final = "true"

_ARROW: Final = ">"
_MOVES: Final = rf"{STAGE_KEY_PATTERN}(\s*{_ARROW}\s*{STAGE_KEY_PATTERN})+"
_MOVES_FORM: Final = "Write the stages in their order: `acquisition > conversion > retention`"


StageKey = Annotated[str, Field(pattern=f"^{STAGE_KEY_PATTERN}$", max_length=MAX_STAGE_KEY_LENGTH)]


def _read_moves(text: str) -> str:
    keys = _split(text)
    if len(keys) < 2 or not all(keys):
        refuse(f"{quote_value(text)} is not a row of moves", _MOVES_FORM)
    return text


def _split(text: str) -> list[str]:
    return [key.strip() for key in text.split(_ARROW)]


class StageModel(DocumentModel):
    """A stage that a person is in while it is the last of the list that holds."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["when"]}, {"required": ["by"]}]})

    key: StageKey = Field(description="the stage, as conditions and triggers name it: `at-risk`")
    name: Annotated[Text | None, Given] = Field(None, description="its name for people; left out, the key")
    when: Annotated[str | None, Given, condition(ExpressionScope.SEGMENT_WHERE)] = Field(
        None, description='a condition in CEL over the profile and the account; `"true"` for everyone'
    )
    by: Annotated[Literal["hand"] | None, Given] = Field(
        None, description="`hand`: it holds while `set_stage` or an operator has set it"
    )


class LifecycleDocument(DocumentModel):
    """The life cycle of people, and how it is meant to go."""

    stages: Annotated[tuple[StageModel, ...], Listed, Field(max_length=MAX_STAGES)] = Field(
        description="the stages, the first of them everyone's; `[]` for none"
    )
    designed: Annotated[
        tuple[Annotated[Text, AfterValidator(_read_moves), pattern_check(_MOVES, "retention > at-risk")], ...], Listed
    ] = Field((), description="rows of designed moves: `[reach > acquisition > conversion, retention > at-risk]`")
    aims: dict[StageKey, StageKey] = Field(
        {}, description="where campaigns of a stage are to lead: `{acquisition: conversion}`"
    )


def parse_lifecycle(text: str, file: str) -> tuple[StageRule, ...]:
    """Return the stages of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(LifecycleDocument, source)
    problems += [*source.problems, *_check_stages(source), *_check_moves(source), *_check_aims(source)]
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    moves = dict.fromkeys(move for row in document.designed for move in _moves_of(row))
    return tuple(
        StageRule(
            key=stage.key,
            name=stage.name or stage.key,
            position=position,
            when=stage.when,
            designed=tuple(after for before, after in moves if before == stage.key),
            aim=document.aims.get(stage.key),
        )
        for position, stage in enumerate(document.stages, start=1)
    )


def check_conditions(text: str, file: str, names: DeployedNames, segments: Mapping[str, SegmentRule]) -> None:
    """Check the conditions of a valid document by what the deployment has.

    `segments` are all but the stages. Raises InvalidDocumentError for computed traits and segments that do not
    exist, traits of another type, and segments that read the stage.
    """
    source, stages = read(text, file), parse_lifecycle(text, file)
    rules = {**segments, **{stage_segment(stage.key): stage.segment_rule() for stage in stages}}
    known = replace(names, segments=segments.keys(), stages=())
    problems = [
        source.problem((*path, "when"), *fault)
        for (path, _), stage in zip(_iter_stages(source), stages, strict=True)
        if stage.when is not None
        for fault in _find_faults(stage, known, rules)
    ]
    if problems:
        raise InvalidDocumentError(problems)


def to_document(stage: StageRule) -> dict[str, Any]:
    """Return a stage as it is shown: with its place, its designed moves and its aim."""
    written = {
        "key": stage.key,
        "name": stage.name,
        "position": stage.position,
        "when": stage.when,
        "by": "hand" if stage.is_manual else None,
        "designed": list(stage.designed),
        "aim": stage.aim,
    }
    return {key: value for key, value in written.items() if value}


def _find_faults(stage: StageRule, names: DeployedNames, rules: Mapping[str, SegmentRule]) -> Iterator[tuple[str, str]]:
    try:
        check_names(stage.when or "", ExpressionScope.SEGMENT_WHERE, names)
    except ConditionError as error:
        yield error.message, error.suggestion
    if (circle := find_circle(stage_segment(stage.key), rules)) is not None:
        way = " reads ".join(f"`{key}`" for key in circle)
        yield f"the stage reads itself: {way}", "Write one of the conditions without the other"


def _iter_stages(source: YamlSource) -> Iterator[tuple[Path, dict[str, Any]]]:
    stages = source.data.get("stages") if isinstance(source.data, dict) else None
    for index, stage in enumerate(stages if isinstance(stages, list) else ()):
        if isinstance(stage, dict):
            yield ("stages", index), stage


def _keys(source: YamlSource) -> list[str]:
    return [key for _, stage in _iter_stages(source) if isinstance(key := stage.get("key"), str)]


def _check_stages(source: YamlSource) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, (path, stage) in enumerate(_iter_stages(source)):
        if isinstance(key := stage.get("key"), str):
            if key in first:
                said = f"the key `{key}` is that of the stage on line {first[key]}"
                yield source.problem((*path, "key"), said, "Give each stage a key of its own")
            first.setdefault(key, source.line((*path, "key")))
        if "when" in stage and "by" in stage:
            said = "`by` cannot stand beside `when`: a stage is judged or set by hand"
            yield source.problem((*path, "by"), said, "Keep one of the two")
        elif number == 0 and stage.get("when") != EVERYONE:
            said = "the first stage is not everyone's, and a person is always in one"
            yield source.problem(path, said, f'Write `when: "{EVERYONE}"` there, or put a stage before it')
        elif "when" not in stage and "by" not in stage:
            said = "nothing says when the stage holds"
            yield source.problem(path, said, "Add `when: …`, or `by: hand`")
        elif isinstance(when := stage.get("when"), str):
            yield from (source.problem((*path, "when"), *fault) for fault in _find_circle(when, _keys(source)))


def _find_circle(when: str, keys: list[str]) -> Iterator[tuple[str, str]]:
    """Find a condition that reads the stage that it decides."""
    try:
        read = compile_condition(when, ExpressionScope.SEGMENT_WHERE)
    except ConditionError:
        # The field itself reports it.
        return
    remedy = "Read traits, computed traits or other segments, or `profile.stated_stage` for what was set by hand"
    if STAGE_VARIABLE in read.variables:
        yield f"`{STAGE_VARIABLE}` is what the stages decide", remedy
    for key in sorted(read.segments & {stage_segment(key) for key in keys}):
        yield f"`{key}` is the stage `{key.removeprefix(STAGE_PREFIX)}`, which these conditions decide", remedy


def _check_moves(source: YamlSource) -> Iterator[Problem]:
    rows = source.data.get("designed") if isinstance(source.data, dict) else None
    written: Counter[tuple[str, str]] = Counter()
    for index, row in enumerate(rows if isinstance(rows, list) else ()):
        if not isinstance(row, str):
            continue
        path = ("designed", index)
        for key in _split(row):
            if key and key not in (known := _keys(source)):
                yield source.problem(path, *_unknown_stage(key, known))
        for move in _moves_of(row):
            written[move] += 1
            if move[0] == move[1]:
                yield source.problem(path, f"`{move[0]}` does not move to itself", _MOVES_FORM)
            elif written[move] == 2:
                yield source.problem(path, f"`{' > '.join(move)}` is written twice", "Take one of the two out")


def _check_aims(source: YamlSource) -> Iterator[Problem]:
    aims = source.data.get("aims") if isinstance(source.data, dict) else None
    for stage, aim in aims.items() if isinstance(aims, dict) else ():
        path = ("aims", stage)
        for key in (stage, aim):
            if isinstance(key, str) and key not in (known := _keys(source)):
                yield source.problem(path, *_unknown_stage(key, known))
        if stage == aim:
            yield source.problem(path, f"`{stage}` is its own aim", "Write the stage where its campaigns are to lead")


def _moves_of(row: str) -> Iterator[tuple[str, str]]:
    keys = _split(row)
    return pairwise(keys)


def _unknown_stage(key: str, known: list[str]) -> tuple[str, str]:
    return f"there is no stage `{key}`", did_you_mean(key, known, "Stages")
