"""Checks of the computed traits that a campaign reads, by those of the deployment."""

from collections.abc import Iterator, Mapping

from domain.conditions.expressions import ConditionError, ExpressionScope, check_traits
from domain.document.raw_values import iter_texts
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.people.computed.definition import TraitType
from domain.suggestions import did_you_mean
from domain.templates.template_sets import TemplateSet

_DECLARE = "Declare it in the document of computed traits, and apply that first"
_VARIABLE = "profile.computed."
_SCOPES = {
    "key": ExpressionScope.ENTRY_KEY,
    "where": ExpressionScope.WAIT_WHERE,
    "when": ExpressionScope.BRANCH_WHEN,
    "date": ExpressionScope.DELAY_DATE,
    "cel": ExpressionScope.VALUE,
}


def check_expressions(source: YamlSource, traits: Mapping[str, TraitType]) -> Iterator[Problem]:
    """Find expressions with traits that do not exist, or that are of another type."""
    for path, text in iter_texts(source.data):
        if path and path[-1] == "changed" and text.startswith(_VARIABLE):
            if (key := text.removeprefix(_VARIABLE)) not in traits:
                yield source.problem(path, f"there is no computed trait `{key}`", _remedy(key, traits))
            continue
        if (place := _find_scope(path)) is None:
            continue
        try:
            check_traits(text, place, traits)
        except ConditionError as error:
            yield source.problem(path, error.message, error.suggestion)


def check_templates(loaded: Mapping[str, TemplateSet], traits: Mapping[str, TraitType]) -> Iterator[Problem]:
    """Find traits in templates that do not exist."""
    for variant in (variant for template in loaded.values() for variant in template.variants.values()):
        for text in variant.texts():
            read = {path.removeprefix(_VARIABLE) for path in text.variables if path.startswith(_VARIABLE)}
            # The path `a.b` stands beside its first part.
            for key in sorted(key for key in read if key.isidentifier() and key not in traits):
                said = f"there is no computed trait `{key}`"
                yield text.place.problem(said, _remedy(key, traits))


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
