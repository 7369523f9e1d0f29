"""Checks that every step of a document can be reached."""

from collections.abc import Iterator, Mapping
from typing import Any

from domain.campaign.delays.kind import skipping_keys
from domain.campaign.delays.kinds import form_of
from domain.campaign.raw_steps import StepList, iter_blocks
from domain.campaign.steps.kinds import CONTROL_STEPS, step_kind
from domain.campaign.steps.repeat import repeats_forever
from domain.document.raw_values import list_at, mapping_at
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem

_CONTROL_STEPS = {step.kind: step for step in CONTROL_STEPS}


def check_flow(source: YamlSource) -> Iterator[Problem]:
    """Find unreachable steps, repetitions of one round, and skips of no step."""
    for block in iter_blocks(source):
        yield from _find_unreachable(block, source)
        for index, step in enumerate(block.steps):
            path = (*block.path, index)
            if index + 1 == len(block.steps):
                yield from _check_skips(step, path, source)
            if _ends(_body(step)):
                said = "there is no second round: nothing leads to the end of these steps"
                yield source.problem((*path, "do"), said, "Let one way go on to their end, or do not repeat them")


def _check_skips(step: Any, path: Path, source: YamlSource) -> Iterator[Problem]:
    """Find a delay that may skip the next step and is the last of its list.

    In a nested list it counts even if the flow goes on elsewhere: that step would run at once, though it was to wait
    for the date.
    """
    delay = mapping_at(step, "delay")
    for key in _skip_keys(delay):
        if key in delay or len(path) > len(("steps", 0)):
            said = "there is no step that could be skipped"
            remedy = "Put the step that depends on the date right after this one"
            if key not in delay:
                said, remedy = f"`{key}` is missing, and {said}", f"{remedy}, or write `{key}: go_on`"
            yield source.problem((*path, "delay", key), said, remedy)


def _find_unreachable(block: StepList, source: YamlSource) -> Iterator[Problem]:
    """Find the first step of a list that cannot be reached."""
    reached = _reachable_steps(block.steps)
    index = reached.index(False) if False in reached else len(block.steps)
    if index == len(block.steps):
        return
    before = f"The step before it, on line {source.line((*block.path, index - 1))},"
    if repeats_forever(block.steps[index - 1]):
        hint = f"{before} repeats forever: give it `times` or `until`, or remove one of them"
    else:
        hint = f"{before} always ends the journey: remove one of them"
    yield source.problem((*block.path, index), "this step is never reached", hint)


def _reachable_steps(steps: list[Any]) -> list[bool]:
    """Return whether each step of a list can be reached, and last, its end."""
    reached = [True, *(False for _ in steps)]
    for index, step in enumerate(steps):
        if reached[index] and not _never_goes_on(step):
            reached[index + 1] = True
            if _may_skip(step) and index + 2 < len(reached):
                reached[index + 2] = True
    return reached


def _ends(steps: list[Any]) -> bool:
    return not _reachable_steps(steps)[-1]


def _never_goes_on(step: Any) -> bool:
    """Whether the flow never goes on after the step in its list."""
    if not isinstance(step, dict):
        return False
    control = _CONTROL_STEPS.get(step_kind(step) or "")
    return "exit" in step if control is None else control.never_goes_on(step, _ends)


def _body(step: Any) -> list[Any]:
    return list_at(step, "do") if isinstance(step, dict) and "repeat" in step else []


def _may_skip(step: Any) -> bool:
    return bool(_skip_keys(mapping_at(step, "delay")))


def _skip_keys(delay: Mapping[str, Any]) -> list[str]:
    form = form_of(delay)
    return [] if form is None else skipping_keys(form, delay)
