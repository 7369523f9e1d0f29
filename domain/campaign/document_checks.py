"""Checks of a campaign document as a whole."""

from collections.abc import Iterator

from domain.campaign.event_names import check_event_names
from domain.campaign.flow_checks import check_flow
from domain.campaign.form_checks import check_forms
from domain.campaign.raw_steps import RawStep, iter_steps
from domain.campaign.reference_checks import check_references
from domain.campaign.trigger_checks import check_triggers
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem

# The plan is part of the first event of every history: 200 steps make about 20 KB of it.
MAX_STEPS = 200


def check_document(source: YamlSource) -> list[Problem]:
    """Find every problem that no single field shows, whatever else is wrong."""
    steps = list(iter_steps(source))
    problems = [
        *_find_duplicates(steps, source),
        *check_forms(source),
        *check_flow(source),
        *check_references(source),
        *check_triggers(source),
        *check_event_names(source),
    ]
    if len(steps) > MAX_STEPS:
        said = f"the campaign has {len(steps)} steps"
        problems.append(source.problem(("steps",), said, f"Keep it within {MAX_STEPS}: split the campaign"))
    return problems


def _find_duplicates(steps: list[RawStep], source: YamlSource) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for path, step in steps:
        id = step.get("id")
        if not isinstance(id, str):
            continue
        if id in first:
            line = source.line((*first[id], "id"))
            yield source.problem(
                (*path, "id"), f"the id `{id}` is taken by the step on line {line}", "Give each step an id of its own"
            )
        first.setdefault(id, path)
