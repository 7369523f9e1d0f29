"""What becomes of a granted message that could not be handed over in time."""

from datetime import timedelta

import pytest

from application.message_outcomes import SendOutcome
from domain.errors import UnavailableError
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import (
    Ambiguous,
    Unavailable,
)
from domain.sending.gate_answers import Deferred, Granted, Refused
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import (
    AT,
    EMAIL,
    HOOK,
    MORNING,
    NIGHT,
    URGENT,
    SendHarness,
    die_after_the_hand_over,
    each,
    send_harness,
)

__all__ = ["send_harness"]  # fixtures


@each("send_harness", [EMAIL], indirect=True)
async def test_what_has_still_to_be_sent_counts_however_long_ago_it_was_granted(send_harness: SendHarness) -> None:
    """A provider that is away for hours does not let the cap's window run out."""
    await send_harness.harness.put_caps("rules: [{name: one, limit: 1, per: 1h}]")
    later = AuthorizeRequest(send_harness.journey_id, "note", 2, 1, AT, AT + timedelta(hours=5), None, UNRECORDED)
    assert await send_harness.gate.authorize(later) == Refused("capped")
    send_harness.provider.answers = [Unavailable("connection", "refused")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    assert (
        await send_harness.sender.send(send_harness.message_id, at=later.at, ends_with=None, next_positions=UNRECORDED)
    ).state == "sent"
    soon = AuthorizeRequest(
        send_harness.journey_id, "note", 3, 1, AT, later.at + timedelta(minutes=59), None, UNRECORDED
    )
    assert await send_harness.gate.authorize(soon) == Refused("capped")
    due = AuthorizeRequest(send_harness.journey_id, "note", 4, 1, AT, later.at + timedelta(hours=1), None, UNRECORDED)
    assert isinstance(await send_harness.gate.authorize(due), Granted)


@each("send_harness", [EMAIL, HOOK], indirect=True)
async def test_what_could_not_be_sent_before_the_window_closed_goes_back_to_the_gate(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Unavailable("connection", "refused")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    postponed = SendOutcome("postponed", journey_ended=False)
    # The second one repeats the first, whose answer was lost.
    assert [await send_harness.attempt(NIGHT), await send_harness.attempt(NIGHT)] == [postponed, postponed]
    assert await send_harness.state() == ("cancelled", "send_window")
    assert (await send_harness.harness.journeys.one())["state"] == "active"
    assert await send_harness.ask(2, NIGHT) == Deferred(MORNING, "send_window")
    assert await send_harness.ask(3, MORNING) == Granted(str(send_harness.message_id))
    assert await send_harness.state() == ("reserved", None)
    assert await send_harness.attempt(MORNING) == SendOutcome("sent", journey_ended=False)
    assert send_harness.provider.got == [str(send_harness.message_id)] * 2
    message = await send_harness.harness.messages.one()
    assert (message["at"], message["attempts"]) == (MORNING, 2)


@each("send_harness", [EMAIL], indirect=True)
async def test_a_message_given_back_takes_up_no_room_until_it_is_granted_anew(send_harness: SendHarness) -> None:
    await send_harness.harness.put_caps("rules: [{name: one, limit: 1, per: 30d}]")
    await send_harness.attempt(NIGHT)
    other = AuthorizeRequest(send_harness.journey_id, "note", 2, 1, AT, MORNING, None, UNRECORDED)
    assert isinstance(await send_harness.gate.authorize(other), Granted)
    assert await send_harness.ask(2, MORNING) == Refused("capped")
    assert await send_harness.state() == ("cancelled", "send_window")


@each("send_harness", [URGENT], indirect=True)
async def test_a_transactional_message_is_sent_at_night(send_harness: SendHarness) -> None:
    assert (await send_harness.attempt(NIGHT)).state == "sent"


@each("send_harness", [HOOK], indirect=True)
async def test_what_the_provider_may_have_waits_for_the_morning_and_counts(send_harness: SendHarness) -> None:
    """Its attempt died; to hand it over again at night might be the first time that it gets through."""
    await send_harness.harness.put_caps("rules: [{name: one, limit: 1, per: 1h}]")
    await die_after_the_hand_over(send_harness)
    with pytest.raises(UnavailableError, match="quiet hours") as caught:
        await send_harness.attempt(NIGHT)
    assert caught.value.data["retry_after"] == 10 * 3_600
    assert await send_harness.state() == ("sending", None)
    other = AuthorizeRequest(send_harness.journey_id, "note", 2, 1, AT, MORNING, None, UNRECORDED)
    assert await send_harness.gate.authorize(other) == Refused("capped")
    assert (await send_harness.attempt(MORNING)).state == "sent"
    assert send_harness.provider.got == [str(send_harness.message_id)] * 2


@each("send_harness", [EMAIL], indirect=True)
async def test_what_may_not_be_repeated_does_not_wait_for_the_morning(send_harness: SendHarness) -> None:
    await die_after_the_hand_over(send_harness)
    assert (await send_harness.attempt(NIGHT)).state == "unknown"


@each("send_harness", [HOOK], indirect=True)
async def test_an_answer_lost_in_the_evening_is_asked_for_in_the_morning_unless_the_journey_has_ended(
    send_harness: SendHarness,
) -> None:
    send_harness.provider.answers = [Ambiguous("connection reset")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    with pytest.raises(UnavailableError, match="quiet hours"):
        await send_harness.attempt(NIGHT)
    await send_harness.harness.track("u1", "Account Closed")
    assert await send_harness.attempt(NIGHT) == SendOutcome("unknown", journey_ended=True)
    assert len(send_harness.provider.got) == 1
