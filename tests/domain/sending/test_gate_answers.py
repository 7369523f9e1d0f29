"""Answers of the gate survive their way, and those of a later build."""

from typing import Any

import msgspec
import pytest

from domain.sending.gate_answers import Answer, Deferred, Granted, Held, Refused
from tests.domain.sending.gate_facts import NOON, TICK


@pytest.mark.parametrize(
    "answer",
    [
        Granted("m1"),
        Deferred(NOON + TICK, "capped"),
        Held("campaign_paused"),
        Refused("expired"),
        Refused("journey_ended", True),
    ],
)
def test_an_answer_survives_its_way(answer: Answer) -> None:
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer


@pytest.mark.parametrize(
    "stored",
    [
        {"answer": "refused", "reason": "of_a_later_build", "journey_ended": False},
        {"answer": "deferred", "reason": "of_a_later_build", "until": "2026-11-02T08:00:00Z"},
        {"answer": "held", "reason": "of_a_later_build"},
    ],
)
def test_an_answer_of_a_later_build_is_read_after_a_roll_back(stored: dict[str, Any]) -> None:
    answer = msgspec.convert(stored, Answer)
    assert msgspec.to_builtins(answer) == stored
