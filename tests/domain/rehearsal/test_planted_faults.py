"""Simulators that are broken on purpose: a story that both would tell otherwise."""

from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

from domain.journey.requests import AuthorizeRequest
from domain.rehearsal import facts, steps
from domain.rehearsal.messages import SimulatedMessage, list_counted
from domain.sending.caps import CountedMessage
from tests.domain.rehearsal.story import Story, campaign

NOTE = "  - {id: note, send: {channel: email, template: hello}}\n"
WAITS = (
    "  - {id: rest, delay: 1h}\n"
    "  - {id: late, send: {channel: email, template: hello, on_capped: wait, expires: 30h}}\n"
)
NEXT_DAY = "  - {id: night, delay: 24h}\n  - {id: next, send: {channel: email, template: hello}}\n"


def forget_the_newest(messages: Iterable[SimulatedMessage]) -> list[CountedMessage]:
    """A cap has room for one more than it allows."""
    return list_counted(messages)[:-1]


def begin_anew(journey_id: Any, step: Any, visit: Any, attempt: Any, _: Any, at: Any, *rest: Any) -> AuthorizeRequest:
    """A message begins to expire each time that it is asked about."""
    return AuthorizeRequest(journey_id, step, visit, attempt, at, at, *rest)


FAULTS: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    "cap": lambda patch: patch.setattr(facts, "list_counted", forget_the_newest),
    "expiry": lambda patch: patch.setattr(steps, "AuthorizeRequest", begin_anew),
}
CAPS = "rules:\n  - {name: daily, limit: 1, per: 1d}\n"
TOLD = [
    "0 note granted",
    "1 late deferred capped",
    "24 next granted",
    # Free again an hour after it expires.
    "24 late refused capped",
]


def tell() -> list[str]:
    story = Story(campaign(NOTE), campaign(WAITS, "second"), campaign(NEXT_DAY, "third"), frequency_caps=CAPS)
    story.knows("ada")
    story.does("ada", "Begun")
    story.waits(days=3)
    return [one for one in story.told() if one.split()[-1] in ("granted", "capped")]


def test_caps_and_expiry_decide_as_they_should() -> None:
    assert tell() == TOLD


@pytest.mark.parametrize("planted", FAULTS)
def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    FAULTS[planted](monkeypatch)
    assert tell() != TOLD
