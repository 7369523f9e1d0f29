"""The lines of steps in their document."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from domain.campaign.raw_steps import child_lists
from domain.document.yaml_source import Path, YamlSource


def find_lines(source: YamlSource) -> dict[str, int]:
    """Find the line of each step of a checked document, by the id that its plan has."""
    return dict(_iter_lines(source, ("steps",), source.data["steps"], "steps"))


def _iter_lines(source: YamlSource, path: Path, steps: list[dict[str, Any]], name: str) -> Iterator[tuple[str, int]]:
    for index, step in enumerate(steps):
        id = step.get("id") or f"{name}.{index + 1}"
        yield id, source.line((*path, index))
        for key, within in child_lists(step):
            yield from _iter_lines(source, (*path, index, *key), within, f"{id}.{_name_block(key)}")


def _name_block(key: Path) -> str:
    """Return the name that the outline gives a list of steps, by its path."""
    for before, part in pairwise(key):
        if isinstance(part, int):
            return f"{before}.{part + 1}"
    return str(key[-1])
