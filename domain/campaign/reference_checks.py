"""What expressions say of the journey's own steps, messages and arms. CEL sees maps and cannot know what is in them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from domain.campaign.raw_steps import RawStep, iter_steps, mapping_at
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean

# What may become of a message, as expressions see it: `domain.journey.step_facts` and the ledger's states.
OUTCOMES = ("none", "reserved", "sending", "opened", "ignored", "failed", "cancelled", "unknown")
NONE = "none"

_TEXT = r"""'[^'\\]*'|"[^"\\]*\""""
# An id with a hyphen that stands plainly is a subtraction, of which CEL says so.
_NAMED = rf"""(?<![\w.])journey\.(?:steps|messages|arms)(?:\.[A-Za-z_]\w*+(?!-[A-Za-z])|\[\s*(?:{_TEXT})\s*\])"""
# Texts are matched, too, so that what stands within one is not taken for a reference.
_REFERENCE = re.compile(
    rf"(?:(?P<left>{_TEXT})\s*[=!]=\s*)?(?P<named>{_NAMED})"
    rf"(?:\s*[=!]=\s*(?P<right>{_TEXT})|\s+in\s*\[(?P<list>[^\]]*)\])?|{_TEXT}"
)
_PARTS = re.compile(rf"journey\.(\w+)(?:\.(\w+)|\[\s*({_TEXT})\s*\])")


class Reference(NamedTuple):
    """A step that an expression names: `kind` is steps, messages or arms. `values` are what it is compared with."""

    kind: str
    step: str
    values: tuple[str, ...]


def check_references(source: YamlSource) -> Iterator[Problem]:
    """Steps that do not exist, and comparisons with what a message or an arm never is."""
    steps = list(iter_steps(source))
    known = _known_values(steps)
    for placed in steps:
        for path, text in _expressions(placed):
            for reference in references(text):
                found = _unknown_step(reference, known) or _unknown_value(reference, known)
                if found is not None:
                    yield source.problem(path, *found)


def references(text: str) -> Iterator[Reference]:
    """What a text in CEL names of the journey."""
    for match in _REFERENCE.finditer(text):
        if match["named"] is None:
            continue
        kind, plain, quoted = _PARTS.fullmatch(match["named"]).groups()  # type: ignore[union-attr]  # it is one of them
        compared = [text for text in (match["left"], match["right"]) if text is not None]
        compared += re.findall(_TEXT, match["list"] or "")
        yield Reference(kind, plain or quoted[1:-1], tuple(text[1:-1] for text in compared))


def _known_values(steps: list[RawStep]) -> dict[str, dict[str, tuple[str, ...]]]:
    """By kind, the steps that may be named, each with the values that it may have; none where any will do."""
    named = {step["id"]: step for _, step in steps if isinstance(step.get("id"), str)}
    return {
        "steps": dict.fromkeys(named, ()),
        "messages": {id: OUTCOMES for id, step in named.items() if "send" in step},
        "arms": {
            id: (*mapping_at(mapping_at(step, "split"), "arms"), NONE) for id, step in named.items() if "split" in step
        },
    }


_THAT = {"steps": "", "messages": " that sends", "arms": " that splits"}
_LABEL = {"steps": "Steps", "messages": "Steps that send", "arms": "Splits"}


def _unknown_step(reference: Reference, known: dict[str, dict[str, tuple[str, ...]]]) -> tuple[str, str] | None:
    kind, step, _ = reference
    if step in known[kind]:
        return None
    return f"there is no step `{step}`{_THAT[kind]}", did_you_mean(step, known[kind], _LABEL[kind])


def _unknown_value(reference: Reference, known: dict[str, dict[str, tuple[str, ...]]]) -> tuple[str, str] | None:
    kind, step, values = reference
    possible = known[kind][step]
    value = next((value for value in values if possible and value not in possible), None)
    if value is None:
        return None
    if kind == "arms":
        return f"the split `{step}` has no arm `{value}`", did_you_mean(value, possible, "Arms")
    said = f"a message is never `{value}`"
    if value in _SENT:
        return said, "One that was sent is `opened` or `ignored`, which is not opened so far"
    return said, did_you_mean(value, possible, "It is one of")


_SENT = ("sent", "delivered", "granted", "accepted")


def _expressions(placed: RawStep) -> Iterator[tuple[Path, str]]:
    """The expressions of a step that see the journey, each with its path."""
    path, step = placed
    cases = step.get("branch")
    for index, case in enumerate(cases if isinstance(cases, list) else ()):
        yield from _texts((*path, "branch", index), case, "when")
    yield from _texts((*path, "repeat", "until"), placed.spec("repeat").get("until"), "when")
    for at, value in placed.values():
        yield from _texts(at, value, "cel")


def _texts(path: Path, holder: Any, key: str) -> Iterator[tuple[Path, str]]:
    if isinstance(holder, dict) and isinstance(text := holder.get(key), str):
        yield (*path, key), text
