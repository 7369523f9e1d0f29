"""The steps of a document as plain values.

Checks of the whole document read these rather than models, so that their problems appear together with those of single
fields. A value of an unexpected shape is ignored.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.campaign.steps.actions import ACTIONS
from domain.campaign.steps.kinds import CONTROL_STEPS
from domain.document.yaml_source import Path, YamlSource


class RawStep(NamedTuple):
    """A step as plain values, and its path."""

    path: Path
    step: dict[str, Any]

    def values(self) -> Iterator[tuple[Path, Any]]:
        """Iterate over the values that an action sets or reports, each with its path."""
        for action in ACTIONS:
            yield from (((*self.path, *path), value) for path, value in action.raw_values(self.step))


class StepList(NamedTuple):
    """A list of steps as plain values, and its path."""

    path: Path
    steps: list[Any]


def iter_steps(source: YamlSource) -> Iterator[RawStep]:
    """Iterate over all steps of the document, in order."""
    for path, block in iter_blocks(source):
        for index, step in enumerate(block):
            if isinstance(step, dict):
                yield RawStep((*path, index), step)


def iter_blocks(source: YamlSource) -> Iterator[StepList]:
    """Iterate over all lists of steps, each before its nested lists."""
    steps = source.data.get("steps") if isinstance(source.data, dict) else None
    if isinstance(steps, list):
        yield from _iter_blocks(("steps",), steps)


def child_lists(step: Any) -> Iterator[StepList]:
    """Iterate over the lists of steps within a step, each with its path from there.

    A step with the keys of several kinds has the lists of all, so that the problems in them appear as well.
    """
    if isinstance(step, dict):
        found = {path: steps for kind in CONTROL_STEPS for path, steps in kind.raw_lists(step)}
        yield from (StepList(path, steps) for path, steps in found.items())


def _iter_blocks(path: Path, block: list[Any]) -> Iterator[StepList]:
    yield StepList(path, block)
    for index, step in enumerate(block):
        for key, within in child_lists(step):
            yield from _iter_blocks((*path, index, *key), within)
