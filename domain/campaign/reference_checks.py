"""Checks of references to steps, messages, arms and saved values."""

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from domain.campaign.raw_steps import RawStep, iter_steps
from domain.campaign.steps.control import text_at
from domain.campaign.steps.kinds import CONTROL_STEPS
from domain.document.raw_values import mapping_at
from domain.document.yaml_source import Path, YamlSource
from domain.errors import Problem
from domain.suggestions import did_you_mean

# The outcomes of a message in expressions: `domain.journey.step_facts` maps the ledger's states to them.
OUTCOMES = ("none", "reserved", "sending", "opened", "ignored", "failed", "cancelled", "unknown")
NONE = "none"

_TEXT = r"""'[^'\\]*'|"[^"\\]*\""""
# An unquoted id with a hyphen is a subtraction, which CEL reports.
_KINDS = "steps|messages|clicks|answers|arms|saved"
_NAMED = rf"""(?<![\w.])journey\.(?:{_KINDS})(?:\.[A-Za-z_]\w*+(?!-[A-Za-z])|\[\s*(?:{_TEXT})\s*\])"""
# Texts match too, so that a reference within one is not found.
_REFERENCE = re.compile(
    rf"(?:(?P<left>{_TEXT})\s*[=!]=\s*)?(?P<named>{_NAMED})"
    rf"(?:\s*[=!]=\s*(?P<right>{_TEXT})|\s+in\s*\[(?P<list>[^\]]*)\])?|{_TEXT}"
)
_PARTS = re.compile(rf"journey\.(\w+)(?:\.(\w+)|\[\s*({_TEXT})\s*\])")


class Reference(NamedTuple):
    """A step or saved value that an expression names, and the values compared with it."""

    kind: str
    step: str
    values: tuple[str, ...]


def check_references(source: YamlSource) -> Iterator[Problem]:
    """Find unknown steps, and values that a message or an arm never has."""
    steps = list(iter_steps(source))
    known = _known_values(steps)
    for placed in steps:
        for path, text in iter_expressions(placed):
            for reference in find_references(text):
                if reference.kind not in known:
                    continue
                found = _unknown_step(reference, known) or _unknown_value(reference, known)
                if found is not None:
                    yield source.problem(path, *found)


def check_saved_names(source: YamlSource, saved: Collection[str]) -> Iterator[Problem]:
    """Find values in conditions that no template of the campaign saves."""
    for placed in iter_steps(source):
        for path, text in iter_expressions(placed):
            for reference in find_references(text):
                if reference.kind == "saved" and reference.step not in saved:
                    yield source.problem(path, *unknown_saved(reference.step, saved))


def unknown_saved(name: str, saved: Collection[str]) -> tuple[str, str]:
    """Say that no template saves a value, and which ones are saved."""
    return f"no webhook of the campaign saves `{name}`", did_you_mean(name, sorted(saved), "Saved are")


def find_references(text: str) -> Iterator[Reference]:
    """Iterate over the references to the journey in a text in CEL."""
    for match in _REFERENCE.finditer(text):
        if match["named"] is None:
            continue
        kind, plain, quoted = _PARTS.fullmatch(match["named"]).groups()  # type: ignore[union-attr]  # it is one of them
        compared = [text for text in (match["left"], match["right"]) if text is not None]
        compared += re.findall(_TEXT, match["list"] or "")
        yield Reference(kind, plain or quoted[1:-1], tuple(text[1:-1] for text in compared))


def _known_values(steps: list[RawStep]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return by kind the steps that may be named, with their possible values, if few."""
    named = {step["id"]: step for _, step in steps if isinstance(step.get("id"), str)}
    return {
        "steps": dict.fromkeys(named, ()),
        "messages": {id: OUTCOMES for id, step in named.items() if "send" in step},
        "clicks": {id: () for id, step in named.items() if "send" in step},
        "answers": {id: () for id, step in named.items() if "send" in step},
        "arms": {
            id: (*mapping_at(mapping_at(step, "split"), "arms"), NONE) for id, step in named.items() if "split" in step
        },
    }


_SENDS = ("messages", "clicks", "answers")
_THAT = {"steps": "", **dict.fromkeys(_SENDS, " that sends"), "arms": " that splits"}
_LABEL = {"steps": "Steps", **dict.fromkeys(_SENDS, "Steps that send"), "arms": "Splits"}


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
        return said, "A sent message is `opened`, or `ignored` as long as it is not opened"
    return said, did_you_mean(value, possible, "It is one of")


_SENT = ("sent", "delivered", "granted", "accepted")


def iter_expressions(placed: RawStep) -> Iterator[tuple[Path, str]]:
    """Iterate over the expressions of a step that see the journey, each with its path."""
    for kind in CONTROL_STEPS:
        yield from (((*placed.path, *path), text) for path, text in kind.raw_conditions(placed.step))
    for at, value in placed.values():
        yield from text_at(at, value, "cel")
