"""What is another between two versions of a campaign, as its author would say it: step by step, field by field.

It compares what was written and not what it means: `30m` and `1800s` are told apart.
"""

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import UNSET, Struct, UnsetType

from domain.campaign.raw_steps import child_lists, mapping_at
from domain.document.yaml_source import Path, YamlSource, path_text

# Parts of the document that are told of otherwise, or are the same always.
_NOT_COMPARED: Final = ("key", "steps")


class Change(Struct, frozen=True):
    """One change. `name` is the step's id, or its place if it has none; the template's file; None of the document.

    `field` is what of it was changed, None if it is the whole. `before` and `after` are what was written, None where
    there was nothing; of a step that was moved or added, where it stands.
    """

    kind: Literal["added", "removed", "moved", "changed"]
    what: Literal["step", "template", "document"]
    name: str | None
    field: str | None
    before: Any
    after: Any
    text: str


def difference(
    old: YamlSource, new: YamlSource, old_templates: Mapping[str, str], new_templates: Mapping[str, str]
) -> list[Change]:
    """The changes from one version to another: of the document first, then of its steps, then of the templates."""
    return [*_of_document(old, new), *_of_steps(old, new), *_of_templates(old_templates, new_templates)]


class _Stand(Struct, frozen=True):
    """A step as written, without those within it, and where it stands: in which list, after which step."""

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


def _of_document(old: YamlSource, new: YamlSource) -> Iterator[Change]:
    before, after = _parts(old), _parts(new)
    for field, was, now in _differences(before, after, ()):
        yield _field_change("document", None, field, was, now)


def _parts(source: YamlSource) -> dict[str, Any]:
    return {key: value for key, value in source.data.items() if key not in _NOT_COMPARED}


def _of_steps(old: YamlSource, new: YamlSource) -> Iterator[Change]:
    before = {stand.key: stand for stand in _stands(old.data.get("steps"), "steps")}
    after = {stand.key: stand for stand in _stands(new.data.get("steps"), "steps")}
    moved = _find_moved(before, after)
    for key in _in_order(before, after):
        was, now = before.get(key), after.get(key)
        if now is None and was is not None:
            yield Change("removed", "step", was.name, None, was.place, None, f"step {was.name} is gone")
        elif was is None and now is not None:
            yield Change("added", "step", now.name, None, None, now.place, f"step {now.name} is new, {now.place}")
        elif was is not None and now is not None:
            if key in moved:
                text = f"step {now.name} moves: it was {was.place} and is {now.place}"
                yield Change("moved", "step", now.name, None, was.place, now.place, text)
            for field, old_value, new_value in _differences(_bare(was.step), _bare(now.step), ()):
                yield _field_change("step", now.name, field, old_value, new_value)


def _of_templates(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for file in sorted({*old, *new}):
        if file not in old:
            yield Change("added", "template", file, None, None, None, f"template {file} is new")
        elif file not in new:
            yield Change("removed", "template", file, None, None, None, f"template {file} is gone")
        elif old[file] != new[file]:
            yield Change("changed", "template", file, None, None, None, f"template {file} is changed")


def _stands(steps: Any, block: str) -> Iterator[_Stand]:
    """All steps of a list and of those within, in the order of the document."""
    before, nameless = None, 0
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        if step.get("id") is None:
            nameless += 1
        # What has no id is called as in a plan; to be found again, it is the first, the second … of its list.
        name = str(step.get("id") or f"{block}.{index + 1}")
        key = str(step.get("id") or f"{block}.#{nameless}")
        yield _Stand(key, name, step, block, before)
        for path, within in child_lists(step):
            yield from _stands(within, f"{name}.{_way(path)}")
        before = name


def _way(path: Path) -> str:
    """What a list of steps within a step is called: `on_event`, `branch.1`, `events.2`."""
    match path:
        case (*_, str(holder), int(index), "do"):
            return f"{holder}.{index + 1}"
        case _:
            return str(path[-1])


def _bare(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step without its id and the steps within it."""
    lists = {path for path, _ in child_lists(step)}
    bare = {key: value for key, value in step.items() if key != "id" and (key,) not in lists}
    if isinstance(cases := bare.get("branch"), list):
        bare["branch"] = [_without_do(case) for case in cases]
    awaited = mapping_at(bare, "wait_for")
    if isinstance(events := awaited.get("events"), list):
        bare["wait_for"] = {**awaited, "events": [_without_do(event) for event in events]}
    return bare


def _without_do(case: Any) -> Any:
    return {key: value for key, value in case.items() if key != "do"} if isinstance(case, dict) else case


def _find_moved(before: Mapping[str, _Stand], after: Mapping[str, _Stand]) -> set[str]:
    """The steps that are in another list, and the fewest that must have moved within theirs."""
    moved = {name for name, stand in after.items() if name in before and before[name].block != stand.block}
    places = {name: place for place, name in enumerate(before)}
    for block in {stand.block for stand in after.values()}:
        here = [name for name, one in after.items() if one.block == block and name in before and name not in moved]
        moved |= set(here) - _longest_rising(here, places)
    return moved


def _longest_rising(names: Sequence[str], places: Mapping[str, int]) -> set[str]:
    """The longest of the subsequences whose places rise: what has kept its order."""
    ends: list[int] = []
    chains: list[tuple[str, ...]] = []
    for name in names:
        length = bisect_left(ends, places[name])
        chain = (*(chains[length - 1] if length else ()), name)
        ends[length : length + 1] = [places[name]]
        chains[length : length + 1] = [chain]
    return set(chains[-1]) if chains else set()


def _in_order(before: Mapping[str, _Stand], after: Mapping[str, _Stand]) -> list[str]:
    """All keys in the new order; those that are gone, after what they came after and the steps within that."""
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


def _is_within(stand: _Stand, key: str) -> bool:
    return stand.block.startswith(f"{key}.")


def _differences(old: Any, new: Any, path: Path) -> Iterator[tuple[str, Any, Any]]:
    """The fields that differ, with both values; UNSET where there is none. Lists of one length, item by item."""
    match old, new:
        case dict(), dict():
            for key in [*new, *(key for key in old if key not in new)]:
                yield from _differences(old.get(key, UNSET), new.get(key, UNSET), (*path, key))
        case list(), list() if len(old) == len(new) and path:
            for index, (was, now) in enumerate(zip(old, new, strict=True)):
                yield from _differences(was, now, (*path, index))
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
    return Change(kind, what, name, field, _or_none(was), _or_none(now), text)


def _or_none(value: Any | UnsetType) -> Any:
    return None if value is UNSET else value


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
