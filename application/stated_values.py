"""Stated values as they are shown: each with its time and its source."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.people.registers import Registers, Stamp


@dataclass(frozen=True, slots=True)
class StatedValue:
    """A value with its source: event, import, link, operator, step; None if unknown.

    `by` names the source of the event's key, the operator, or the campaign and its step. A value is not verified if a
    browser stated it without a user token. A judged stage has the source lifecycle.
    """

    value: Any
    at: datetime | None
    source: str | None
    by: str | None
    is_verified: bool


def list_stated(registers: Registers) -> dict[str, StatedValue]:
    """Return the values that are set, with their sources."""
    return {
        name: _with_source(value, said)
        for name, value, said in sorted(registers.words(), key=lambda word: word[0])
        if value is not None
    }


def _with_source(value: Any, said: Stamp) -> StatedValue:
    kind, _, name = said.source.partition(":")
    return StatedValue(value, said.instant(), kind or None, name or None, not said.is_unverified())
