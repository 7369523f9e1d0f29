"""Textual differences between two versions of a campaign, by step and field."""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from domain.campaign.raw_steps import child_lists
from domain.document.yaml_source import Path, YamlSource, path_text
from domain.templates.composition import ATTACHMENTS, BLOCKS, LAYOUTS, folder_of

# Parts of the document that are compared elsewhere, or never change.
_NOT_COMPARED: Final = ("key", "steps")
_FILE_KINDS: Final = {BLOCKS: "block", LAYOUTS: "layout", ATTACHMENTS: "attachment"}


class Change(Struct, frozen=True):
    """One change. `name` is a step's id or place, a template's file, or None.

    `field` is the changed field, None for the whole. `before` and `after` are the values as written, None if there was
    none; for a step that was moved or added, its places.
    """

    kind: Literal["added", "removed", "moved", "changed"]
    what: Literal["step", "template", "document"]
    name: str | None
    field: str | None
    before: Any
    after: Any
    text: str


def compare_versions(
    old: YamlSource, new: YamlSource, old_templates: Mapping[str, str], new_templates: Mapping[str, str]
) -> list[Change]:
    """Compare two versions: the documents first, then their steps, then the templates."""
    return [*_compare_documents(old, new), *_compare_steps(old, new), *_compare_templates(old_templates, new_templates)]


class _PlacedStep(Struct, frozen=True):
    """A step without nested steps, and its place: its list and the step before it."""

    key: str
    name: str
    step: dict[str, Any]
    block: str
    after: str | None

    @property
    def place(self) -> str:
        if self.after is None:
            return "first" if self.block == "steps" else f"first in {self.block}"
        return f"after {self.after}"


def _compare_documents(old: YamlSource, new: YamlSource) -> Iterator[Change]:
    before, after = _select_parts(old), _select_parts(new)
    for field, was, now in _compare_values(before, after, ()):
        yield _field_change("document", None, field, was, now)


def _select_parts(source: YamlSource) -> dict[str, Any]:
    return {key: value for key, value in source.data.items() if key not in _NOT_COMPARED}


def _compare_steps(old: YamlSource, new: YamlSource) -> Iterator[Change]:
    before = {stand.key: stand for stand in _place_steps(old.data.get("steps"), "steps")}
    after = {stand.key: stand for stand in _place_steps(new.data.get("steps"), "steps")}
    moved = _find_moved(before, after)
    for key in _order_keys(before, after):
        was, now = before.get(key), after.get(key)
        if now is None and was is not None:
            yield Change("removed", "step", was.name, None, was.place, None, f"step {was.name} is gone")
        elif was is None and now is not None:
            yield Change("added", "step", now.name, None, None, now.place, f"step {now.name} is new, {now.place}")
        elif was is not None and now is not None:
            if key in moved:
                text = f"step {now.name} moves: it was {was.place} and is {now.place}"
                yield Change("moved", "step", now.name, None, was.place, now.place, text)
            for field, old_value, new_value in _compare_values(_strip_nested(was.step), _strip_nested(now.step), ()):
                yield _field_change("step", now.name, field, old_value, new_value)


def _compare_templates(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for file in sorted({*old, *new}):
        named = f"{_FILE_KINDS.get(folder_of(file), 'template')} {file}"
        if file not in old:
            yield Change("added", "template", file, None, None, None, f"{named} is new")
        elif file not in new:
            yield Change("removed", "template", file, None, None, None, f"{named} is gone")
        elif old[file] != new[file]:
            yield Change("changed", "template", file, None, None, None, f"{named} is changed")


def _place_steps(steps: Any, block: str) -> Iterator[_PlacedStep]:
    """List the steps of a list and of nested lists, in the order of the document."""
    before, nameless = None, 0
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        if step.get("id") is None:
            nameless += 1
        # A step without an id has the name that the plan gives it; its key is its number among such steps of its list.
        name = str(step.get("id") or f"{block}.{index + 1}")
        key = str(step.get("id") or f"{block}.#{nameless}")
        yield _PlacedStep(key, name, step, block, before)
        for path, within in child_lists(step):
            yield from _place_steps(within, f"{name}.{_block_name(path)}")
        before = name


def _block_name(path: Path) -> str:
    """Name a nested list of steps: `on_event`, `branch.1`, `events.2`."""
    match path:
        case (*_, str(holder), int(index), "do"):
            return f"{holder}.{index + 1}"
        case _:
            return str(path[-1])


def _strip_nested(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step without its id and its nested steps."""
    bare: dict[str, Any] = _without(step, {("id",), *(path for path, _ in child_lists(step))}, ())
    return bare


def _without(value: Any, paths: Set[Path], here: Path) -> Any:
    """Return a value without what stands at these paths."""
    if isinstance(value, Mapping):
        return {
            key: _without(within, paths, (*here, key)) for key, within in value.items() if (*here, key) not in paths
        }
    if isinstance(value, list):
        return [_without(within, paths, (*here, index)) for index, within in enumerate(value)]
    return value


def _find_moved(before: Mapping[str, _PlacedStep], after: Mapping[str, _PlacedStep]) -> set[str]:
    """Find the steps that changed lists, and the fewest that moved within a list."""
    moved = {name for name, stand in after.items() if name in before and before[name].block != stand.block}
    places = {name: place for place, name in enumerate(before)}
    for block in {stand.block for stand in after.values()}:
        here = [name for name, one in after.items() if one.block == block and name in before and name not in moved]
        moved |= set(here) - _longest_rising(here, places)
    return moved


def _longest_rising(names: Sequence[str], places: Mapping[str, int]) -> set[str]:
    """Return the longest subsequence with rising places: the steps still in order."""
    ends: list[int] = []
    chains: list[tuple[str, ...]] = []
    for name in names:
        length = bisect_left(ends, places[name])
        chain = (*(chains[length - 1] if length else ()), name)
        ends[length : length + 1] = [places[name]]
        chains[length : length + 1] = [chain]
    return set(chains[-1]) if chains else set()


def _order_keys(before: Mapping[str, _PlacedStep], after: Mapping[str, _PlacedStep]) -> list[str]:
    """List all keys in the new order, each removed one after its predecessor."""
    ordered, last = list(after), None
    for key, stand in before.items():
        if key not in after:
            place = 0 if last is None else ordered.index(last) + 1
            if last is not None and not _is_within(stand, last):
                while place < len(ordered) and ordered[place] in after and _is_within(after[ordered[place]], last):
                    place += 1
            ordered.insert(place, key)
        last = key
    return ordered


def _is_within(stand: _PlacedStep, key: str) -> bool:
    return stand.block.startswith(f"{key}.")


def _compare_values(old: Any, new: Any, path: Path) -> Iterator[tuple[str, Any, Any]]:
    """List the differing fields with both values; lists of equal length by item."""
    match old, new:
        case dict(), dict():
            for key in [*new, *(key for key in old if key not in new)]:
                yield from _compare_values(old.get(key, UNSET), new.get(key, UNSET), (*path, key))
        case list(), list() if len(old) == len(new) and path:
            for index, (was, now) in enumerate(zip(old, new, strict=True)):
                yield from _compare_values(was, now, (*path, index))
        case _ if type(old) is not type(new) or old != new:
            yield path_text(path), old, new
        case _:
            return


def _field_change(what: Literal["step", "document"], name: str | None, field: str, was: Any, now: Any) -> Change:
    where = f"step {name}: {field}" if name is not None else field
    if was is UNSET:
        kind: Literal["added", "removed", "changed"] = "added"
        text = f"{where} is new: {_as_text(now)}"
    elif now is UNSET:
        kind, text = "removed", f"{where} is gone, and was {_as_text(was)}"
    else:
        kind, text = "changed", f"{where} was {_as_text(was)} and is {_as_text(now)}"
    return Change(kind, what, name, field, _unset_to_none(was), _unset_to_none(now), text)


def _unset_to_none(value: Any | UnsetType) -> Any:
    return None if value is UNSET else value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
