"""The steps of a document as plain values.

Checks of the whole document read these rather than models, so that their problems appear together with those of single
fields. A value of an unexpected shape is ignored.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.campaign.steps.actions import ACTIONS
from domain.document.yaml_source import Path, YamlSource


class RawStep(NamedTuple):
    """A step as plain values, and its path."""

    path: Path
    step: dict[str, Any]

    def spec(self, kind: str) -> dict[str, Any]:
        """Return the mapping under one of its keys; an empty one if it is not a mapping."""
        return mapping_at(self.step, kind)

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
    """Iterate over the lists of steps within a step, each with its path from there."""
    if not isinstance(step, dict):
        return
    events = mapping_at(step, "wait_for").get("events")
    for path, holder in ((("branch",), step.get("branch")), (("wait_for", "events"), events)):
        for index, each in enumerate(holder if isinstance(holder, list) else ()):
            if isinstance(each, dict) and isinstance(each.get("do"), list):
                yield StepList((*path, index, "do"), each["do"])
    # The arms of a split have names of the author's choice.
    beside = [key for key in step if key not in ("id", "split")] if "split" in step else _BESIDE
    for key in beside:
        if isinstance(step.get(key), list):
            yield StepList((key,), step[key])


def mapping_at(holder: Any, key: str) -> dict[str, Any]:
    """Return the mapping under a key; an empty one if there is none."""
    value = holder.get(key) if isinstance(holder, dict) else None
    return value if isinstance(value, dict) else {}


_BESIDE = ("on_event", "on_timeout", "otherwise", "do")


def _iter_blocks(path: Path, block: list[Any]) -> Iterator[StepList]:
    yield StepList(path, block)
    for index, step in enumerate(block):
        for key, within in child_lists(step):
            yield from _iter_blocks((*path, index, *key), within)
