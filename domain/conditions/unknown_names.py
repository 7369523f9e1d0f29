"""The words about names in a condition that the deployment does not have."""

from collections.abc import Collection
from typing import Literal

from domain.suggestions import did_you_mean


def unknown_stage(key: str, stages: Collection[str]) -> tuple[str, str]:
    """Return the message and the remedy for a stage that the life cycle does not have."""
    return f"the life cycle has no stage `{key}`", did_you_mean(key, stages, "Stages")


def unknown_segment(key: str, segments: Collection[str]) -> tuple[str, str]:
    """Return the message and the remedy for a segment that does not exist."""
    remedy = "Apply it first: `sojourn segments apply`"
    return f"there is no segment `{key}`", f"{did_you_mean(key, segments, 'Applied')}. {remedy}"


def unknown_topic(key: str, topics: Collection[str]) -> tuple[str, str]:
    """Return the message and the remedy for a topic that does not exist."""
    remedy = "Apply it first: `sojourn topics apply`"
    return f"there is no topic `{key}`", f"{did_you_mean(key, topics, 'Applied')}. {remedy}"


def unknown_place(kind: Literal["area", "place"], key: str, known: Collection[str]) -> tuple[str, str]:
    """Return the message and the remedy for an area or a place that does not exist."""
    remedy = "Apply it first: `sojourn places apply`"
    return f"there is no {kind} `{key}`", f"{did_you_mean(key, known, 'Applied')}. {remedy}"
