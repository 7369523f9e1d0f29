"""A message to several addresses when an attempt repeats, dies, or runs beside another."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from domain.channels.kinds import CHANNELS
from domain.errors import UnavailableError
from domain.sending.delivery import Accepted, Ambiguous, Rejected, Unavailable
from tests.engine.send_harness import EMAIL, URGENT, Held, SendHarness, each, send_harness

# The fixture, which tests ask for by its name.
__all__ = ["send_harness"]

ADDRESSES = ("one", "two", "three")


@pytest.fixture(autouse=True)
def _several(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel that reaches a person at three addresses."""

    def addresses(_: object, traits: Mapping[str, Any]) -> tuple[str, ...]:
        return ADDRESSES

    monkeypatch.setattr(type(CHANNELS["email"]), "addresses", addresses)


async def rows(harness: SendHarness) -> dict[str, tuple[str, str | None]]:
    found = await harness.harness.query("SELECT address, state, provider_id FROM deliveries")
    return {row["address"]: (row["state"], row["provider_id"]) for row in found}


@each("send_harness", [EMAIL], indirect=True)
async def test_an_address_whose_outcome_is_final_is_left_out_of_the_next_attempt(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Rejected("gone", "it is gone"), Unavailable("busy", "later"), Rejected("gone", "")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    assert await send_harness.state() == ("reserved", "busy")
    assert await rows(send_harness) == {"one": ("failed", None), "two": ("waiting", None), "three": ("failed", None)}
    send_harness.provider.answers = [Accepted("p-two")]
    assert (await send_harness.attempt()).state == "sent"
    assert send_harness.provider.addresses == [*ADDRESSES, "two"]
    assert await rows(send_harness) == {"one": ("failed", None), "two": ("sent", "p-two"), "three": ("failed", None)}


@each("send_harness", [EMAIL], indirect=True)
async def test_an_address_that_is_listed_twice_has_the_message_once(
    send_harness: SendHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(CHANNELS["email"]), "addresses", lambda *_: ("one", "two", "one"))
    assert (await send_harness.attempt()).state == "sent"
    assert send_harness.provider.addresses == ["one", "two"]


@each("send_harness", [URGENT], indirect=True)
async def test_an_attempt_that_dies_leaves_no_address_out(send_harness: SendHarness) -> None:
    """One address had it, the next is waited for, and nothing of that was written."""
    send_harness.provider.answers = [Accepted("a-one"), Held(Accepted(None)), Held(Accepted(None))]
    attempt = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert await rows(send_harness) == {}
    send_harness.provider.answers = []
    assert (await send_harness.attempt()).state == "sent"
    assert send_harness.provider.addresses == [*ADDRESSES, *ADDRESSES]
    assert {state for state, _ in (await rows(send_harness)).values()} == {"sent"}


@each("send_harness", [EMAIL], indirect=True)
async def test_an_attempt_that_dies_and_cannot_be_repeated_is_unknown(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Accepted("a-one"), Held(Accepted(None)), Held(Accepted(None))]
    attempt = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    assert (await send_harness.attempt()).state == "unknown"
    assert send_harness.provider.addresses == [*ADDRESSES]


@each("send_harness", [URGENT], indirect=True)
async def test_of_two_attempts_the_first_final_outcome_of_an_address_stays(send_harness: SendHarness) -> None:
    """Temporal gave up a slow attempt: its outcomes come after those of the one that took its place."""
    slow = [Held(Accepted("a-one")), Held(Accepted("a-two")), Held(Rejected("gone", "it is gone"))]
    quick = [Held(Accepted("b-one")), Held(Ambiguous("lost")), Held(Accepted("b-three"))]
    send_harness.provider.answers = [*slow, *quick]
    attempts = []
    for _ in range(2):
        send_harness.provider.reached.clear()
        attempts.append(asyncio.create_task(send_harness.attempt()))
        await send_harness.provider.reached.wait()
    for held in quick:
        held.release.set()
    assert (await attempts[1]).state == "sent"
    assert await rows(send_harness) == {
        "one": ("sent", "b-one"),
        "two": ("unknown", None),
        "three": ("sent", "b-three"),
    }
    for held in slow:
        held.release.set()
    assert (await attempts[0]).state == "sent"
    assert await rows(send_harness) == {
        "one": ("sent", "b-one"),
        "two": ("sent", "a-two"),
        "three": ("sent", "b-three"),
    }
    assert await send_harness.state() == ("sent", None)


@each("send_harness", [URGENT], indirect=True)
async def test_ten_attempts_at_once_agree_on_every_address(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Accepted(str(number)) for number in range(30)]
    outcomes = await asyncio.gather(*(send_harness.attempt() for _ in range(10)))
    assert {outcome.state for outcome in outcomes} == {"sent"}
    found = await rows(send_harness)
    assert {address: state for address, (state, _) in found.items()} == dict.fromkeys(ADDRESSES, "sent")
    assert await send_harness.state() == ("sent", None)
