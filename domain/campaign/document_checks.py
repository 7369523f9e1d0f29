"""What no single field of a campaign document shows: ids used twice, steps never reached, steps that do not exist.

It looks at the plain values, so that these problems are reported together with those of the shape and not one round
later. What is not shaped as expected is passed over here.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.campaign.suggestions import did_you_mean
from domain.campaign.yaml_source import Path, Source
from domain.errors import Problem

# The plan travels in the first event of every history: 200 steps make about 20 KB of it.
MAX_STEPS = 200

_REFERENCE = re.compile(r"""\bjourney\.(steps|messages)(?:\.([A-Za-z_]\w*)|\[\s*(?:'([^']*)'|"([^"]*)")\s*\])""")


class PlacedStep(NamedTuple):
    """A step as plain values, and its path."""

    path: Path
    step: dict[str, Any]


def check_steps(source: Source) -> list[Problem]:
    """Every problem of the steps as a whole."""
    steps = list(placed_steps(source))
    problems = [*_duplicates(steps, source), *_references(steps, source)]
    for path, block in _all_blocks(source):
        problems += _unreachable(path, block, source)
    if len(steps) > MAX_STEPS:
        said = f"the campaign has {len(steps)} steps"
        problems.append(source.problem(("steps",), said, f"Keep it within {MAX_STEPS}: split the campaign"))
    return problems


def placed_steps(source: Source) -> Iterator[PlacedStep]:
    """All steps of the document, in its order."""
    for path, block in _all_blocks(source):
        for index, step in enumerate(block):
            if isinstance(step, dict):
                yield PlacedStep((*path, index), step)


def _all_blocks(source: Source) -> Iterator[tuple[Path, list[Any]]]:
    steps = source.data.get("steps") if isinstance(source.data, dict) else None
    if isinstance(steps, list):
        yield from _blocks(("steps",), steps)


def _blocks(path: Path, block: list[Any]) -> Iterator[tuple[Path, list[Any]]]:
    yield path, block
    for index, step in enumerate(block):
        for key, within in _ways(step):
            yield from _blocks((*path, index, *key), within)


def _ways(step: Any) -> Iterator[tuple[Path, list[Any]]]:
    """The lists of steps within a step, each by its path from there."""
    if not isinstance(step, dict):
        return
    cases = step.get("branch")
    if isinstance(cases, list):
        for index, case in enumerate(cases):
            if isinstance(case, dict) and isinstance(case.get("do"), list):
                yield ("branch", index, "do"), case["do"]
    awaited = step.get("wait_for")
    events = awaited.get("events") if isinstance(awaited, dict) else None
    for index, event in enumerate(events if isinstance(events, list) else ()):
        if isinstance(event, dict) and isinstance(event.get("do"), list):
            yield ("wait_for", "events", index, "do"), event["do"]
    split = step.get("split")
    arms = split.get("arms") if isinstance(split, dict) else None
    for key in dict.fromkeys((*(arms if isinstance(arms, dict) else ()), "do", "otherwise", "on_event", "on_timeout")):
        if isinstance(step.get(key), list):
            yield (key,), step[key]


def _duplicates(steps: list[PlacedStep], source: Source) -> Iterator[Problem]:
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


def _unreachable(path: Path, block: list[Any], source: Source) -> Iterator[Problem]:
    for index, step in enumerate(block[:-1]):
        if _always_ends(step):
            before = source.line((*path, index))
            hint = f"The step before it, on line {before}, always ends the journey: remove one of them"
            yield source.problem((*path, index + 1), "this step is never reached", hint)
            return


def _always_ends(step: Any) -> bool:
    if not isinstance(step, dict):
        return False
    if "exit" in step:
        return True
    ways = dict(_ways(step))
    if "branch" in step:
        complete = ("otherwise",) in ways
    elif "wait_for" in step:
        complete = ("on_event",) in ways and ("on_timeout",) in ways
    else:
        return False
    return complete and all(any(_always_ends(one) for one in way) for way in ways.values())


def _references(steps: list[PlacedStep], source: Source) -> Iterator[Problem]:
    """Steps that conditions name. CEL sees a map and cannot know its keys; whoever published the document can."""
    ids = {step["id"]: step for _, step in steps if isinstance(step.get("id"), str)}
    known = {"steps": list(ids), "messages": [id for id, step in ids.items() if "send" in step]}
    for path, step in steps:
        cases = step.get("branch")
        for index, case in enumerate(cases if isinstance(cases, list) else ()):
            when = case.get("when") if isinstance(case, dict) else None
            for kind, *names in _REFERENCE.findall(when) if isinstance(when, str) else ():
                name = "".join(names)
                if name not in known[kind]:
                    label = "Steps" if kind == "steps" else "Steps that send"
                    said = f"there is no step `{name}`" + (" that sends" if kind == "messages" else "")
                    yield source.problem((*path, "branch", index, "when"), said, did_you_mean(name, known[kind], label))
