"""Checks of the computed traits and segments of a campaign, by the deployment's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from domain.campaign.raw_steps import iter_steps
from domain.campaign.steps.audience import AudienceStep
from domain.campaign.steps.send import SendSpec
from domain.campaign.steps.set_stage import SetStageStep
from domain.campaign.triggers.stage import KEY as STAGE_KEY
from domain.conditions.expressions import (
    ConditionError,
    ExpressionScope,
    check_names,
)
from domain.conditions.unknown_names import unknown_place, unknown_segment, unknown_stage
from domain.deployed_names import DeployedNames
from domain.document.raw_values import iter_texts
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.people.computed.definition import TraitType
from domain.people.lifecycle import StageRule, explain_stated_stage
from domain.people.places.deployed import ARRIVES
from domain.people.segments.causes import JOINS, LEAVES
from domain.people.topics.deployed import SERVICE
from domain.sending.caps import ONE_TIME_CODE, TRANSACTIONAL
from domain.suggestions import did_you_mean
from domain.templates.template_sets import TemplateSet

_DECLARE = "Declare it in the document of computed traits, and apply that first"
_VARIABLE = "profile.computed."
_POSTAL_ADDRESS = "deployment.postal_address"
_SCOPES = {
    "key": ExpressionScope.ENTRY_KEY,
    "where": ExpressionScope.WAIT_WHERE,
    "when": ExpressionScope.BRANCH_WHEN,
    "date": ExpressionScope.DELAY_DATE,
    "cel": ExpressionScope.VALUE,
}
SET_STAGE_KEY: Final = SetStageStep.kind
_APPLY_STAGES: Final = "Apply one first: `sojourn lifecycle apply`. Without one, write `changed: profile.stage`"
_APPLY_AUDIENCES: Final = "Audiences are applied by `sojourn audiences apply`"
# Under these keys, these are ordinary names.
_VALUES: Final = frozenset({"properties", "update_profile"})


def check_expressions(source: YamlSource, names: DeployedNames) -> Iterator[Problem]:
    """Find names of traits, segments, stages, areas and places that do not exist.

    A trait may also be of another type than an expression takes it for.
    """
    for path, text in iter_texts(source.data):
        if path and path[-1] == "changed" and text.startswith(_VARIABLE):
            if (key := text.removeprefix(_VARIABLE)) not in names.computed:
                yield source.problem(path, f"there is no computed trait `{key}`", _remedy(key, names.computed))
            continue
        if path and path[-1] in (JOINS, LEAVES) and _VALUES.isdisjoint(path):
            if text not in names.segments:
                yield source.problem(path, *unknown_segment(text, names.segments))
            continue
        if path and ARRIVES in (path[-1], *path[-2:-1]) and _VALUES.isdisjoint(path):
            if text not in names.places:
                yield source.problem(path, *unknown_place("place", text, names.places))
            continue
        if path and path[-1] in (STAGE_KEY, SET_STAGE_KEY) and _VALUES.isdisjoint(path):
            yield from (source.problem(path, *fault) for fault in _check_stage(path, text, names.stages))
            continue
        if (place := _find_scope(path)) is None:
            continue
        try:
            check_names(text, place, names)
        except ConditionError as error:
            yield source.problem(path, error.message, error.suggestion)


def _check_stage(path: Path, stage: str, stages: Sequence[StageRule]) -> Iterator[tuple[str, str]]:
    """Find a stage that the life cycle does not have, or that cannot be set."""
    is_served = path == (STAGE_KEY,)
    if not stages:
        if path[-1] == STAGE_KEY and not is_served:
            yield "there is no life cycle, so that no one moves into a stage", _APPLY_STAGES
    elif path[-1] == SET_STAGE_KEY:
        if (fault := explain_stated_stage(stage, stages)) is not None:
            yield fault
    elif stage not in (known := [one.key for one in stages]):
        yield unknown_stage(stage, known)


def check_categories(source: YamlSource, names: DeployedNames) -> Iterator[Problem]:
    """Find sends whose category is not one of the topics, if there are some."""
    if not names.topics:
        return
    allowed = [*names.topics, TRANSACTIONAL, ONE_TIME_CODE, SERVICE]
    for path, step in iter_steps(source):
        send = step.get("send")
        if not isinstance(send, dict):
            continue
        category = send.get("category", SendSpec.model_fields["category"].default)
        if isinstance(category, str) and category not in allowed:
            at = (*path, "send", "category") if "category" in send else (*path, "send")
            said = f"`{category}` is not a topic"
            yield source.problem(
                at,
                said if "category" in send else f"{said}, and is the category by default",
                (f"{did_you_mean(category, allowed, 'Applied')}. Topics are applied by `sojourn topics apply`"),
            )


def check_audiences(source: YamlSource, names: DeployedNames) -> Iterator[Problem]:
    """Find audiences of steps that do not exist, or that mirror a segment."""
    for path, step in iter_steps(source):
        change = step.get(AudienceStep.kind)
        for key, name in change.items() if isinstance(change, dict) else ():
            if not isinstance(name, str) or name in names.audiences:
                continue
            if name in names.mirrors:
                said, remedy = f"`{name}` mirrors a segment", "Change the segment, or take an audience without `mirror`"
            else:
                said = f"there is no audience `{name}`"
                remedy = f"{did_you_mean(name, names.audiences, 'Applied')}. {_APPLY_AUDIENCES}"
            yield source.problem((*path, AudienceStep.kind, key), said, remedy)


def check_templates(loaded: Mapping[str, TemplateSet], names: DeployedNames) -> Iterator[Problem]:
    """Find traits and a postal address in templates that do not exist."""
    traits = names.computed
    for variant in (variant for template in loaded.values() for variant in template.variants.values()):
        for text in variant.texts():
            read = {path.removeprefix(_VARIABLE) for path in text.variables if path.startswith(_VARIABLE)}
            # The path `a.b` stands beside its first part.
            for key in sorted(key for key in read if key.isidentifier() and key not in traits):
                said = f"there is no computed trait `{key}`"
                yield text.place.problem(said, _remedy(key, traits))
            if _POSTAL_ADDRESS in text.variables and not names.has_postal_address:
                remedy = "Write `postal_address: …` into the document of senders: `sojourn senders apply`"
                yield text.place.problem("there is no postal address", remedy)


def _remedy(key: str, traits: Mapping[str, TraitType]) -> str:
    return f"{did_you_mean(key, traits, 'Applied')}. {_DECLARE}"


def _find_scope(path: Path) -> ExpressionScope | None:
    """Return the scope of the expression at a path; None if there is none."""
    scope = _SCOPES.get(str(path[-1])) if path else None
    if scope is ExpressionScope.ENTRY_KEY and path != ("entry", "key"):
        return None
    if scope is ExpressionScope.WAIT_WHERE and path[0] == "entry":
        return ExpressionScope.AUDIENCE_WHERE if "audience" in path else ExpressionScope.ENTRY_WHERE
    return scope
