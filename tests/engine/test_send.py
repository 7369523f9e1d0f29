"""What becomes of a message when an attempt to send it dies, repeats, or runs beside another."""

import asyncio
from datetime import timedelta

import pytest
from temporalio.testing import ActivityEnvironment

from activities.journey import SendActivities, SendRequest
from application.message_outcomes import SendOutcome
from domain.errors import UnavailableError
from domain.journey.position import Position
from domain.journey.requests import AuthorizeRequest
from domain.sending.delivery import (
    Accepted,
    Ambiguous,
    Rejected,
    Unavailable,
)
from domain.sending.gate_answers import Refused
from domain.sending.saved_values import SavedReply
from store import journeys
from tests.engine.positions import UNRECORDED
from tests.engine.send_harness import (
    AT,
    COUNTED,
    EMAIL,
    HOOK,
    IN_AN_HOUR,
    MORNING,
    NIGHT,
    POST,
    PUT,
    URGENT,
    URGENT_POST,
    Held,
    SendHarness,
    die_after_the_hand_over,
    each,
    send_harness,
)

__all__ = ["send_harness"]  # fixtures


@each("send_harness", [EMAIL], indirect=True)
async def test_twenty_attempts_at_once_hand_over_once(send_harness: SendHarness) -> None:
    await asyncio.gather(*(send_harness.attempt() for _ in range(20)))
    assert len(send_harness.provider.got) == 1
    assert await send_harness.state() == ("sent", None)


@each("send_harness", [COUNTED], indirect=True)
async def test_a_template_reads_the_computed_traits_of_the_instant(send_harness: SendHarness) -> None:
    await send_harness.harness.track("u1", "Signed Up")
    assert (await send_harness.attempt()).state == "sent"
    [handed] = send_harness.provider.handed
    assert handed.content["data"]["user"] == "2"


@each("send_harness", [EMAIL], indirect=True)
async def test_a_marketing_mail_whose_attempt_died_is_not_repeated(send_harness: SendHarness) -> None:
    await die_after_the_hand_over(send_harness)
    assert await send_harness.attempt() == SendOutcome("unknown", journey_ended=False)
    assert await send_harness.state() == ("unknown", "attempt_died")
    assert len(send_harness.provider.got) == 1
    assert await send_harness.attempt() == SendOutcome("unknown", journey_ended=False)


@each(("send_harness", "handed_over"), [(URGENT, 2), (HOOK, 2)], indirect=["send_harness"])
async def test_what_may_be_repeated_is_repeated_under_the_same_id(send_harness: SendHarness, handed_over: int) -> None:
    await die_after_the_hand_over(send_harness)
    assert await send_harness.attempt() == SendOutcome("sent", journey_ended=False)
    assert send_harness.provider.got == [str(send_harness.message_id)] * handed_over


@each(("send_harness", "state"), [(POST, "unknown"), (PUT, "sent"), (URGENT_POST, "sent")], indirect=["send_harness"])
async def test_a_call_is_repeated_by_its_method(send_harness: SendHarness, state: str) -> None:
    """The provider knows its own messages by their ids; another API does not."""
    await die_after_the_hand_over(send_harness)
    assert (await send_harness.attempt()).state == state
    assert len(send_harness.provider.got) == (1 if state == "unknown" else 2)


@each(("send_harness", "is_repeated"), [(POST, False), (PUT, True), (URGENT_POST, True)], indirect=["send_harness"])
async def test_a_call_whose_answer_is_lost_is_repeated_by_its_method(
    send_harness: SendHarness, *, is_repeated: bool
) -> None:
    send_harness.provider.answers = [Ambiguous("the receiver answered 500")]
    if is_repeated:
        with pytest.raises(UnavailableError):
            await send_harness.attempt()
        assert (await send_harness.attempt()).state == "sent"
    else:
        assert (await send_harness.attempt()).state == "unknown"
        assert await send_harness.state() == ("unknown", "answer_lost")


@each("send_harness", [PUT], indirect=True)
async def test_of_two_attempts_the_one_that_settles_saves(send_harness: SendHarness) -> None:
    """Both were accepted; the later one settles first, and what the earlier one brings is no longer heard."""
    slow, quick = Held(Accepted(None, SavedReply({"by": "slow"}))), Held(Accepted(None, SavedReply({"by": "quick"})))
    send_harness.provider.answers = [slow, quick]
    attempts = []
    for _ in range(2):
        send_harness.provider.reached.clear()
        attempts.append(asyncio.create_task(send_harness.attempt()))
        await send_harness.provider.reached.wait()
    for held, attempt in zip((quick, slow), reversed(attempts), strict=True):
        held.release.set()
        assert (await attempt).state == "sent"
    assert (await send_harness.harness.journeys.one())["saved"] == {"by": "quick"}


@each("send_harness", [POST], indirect=True)
async def test_a_late_answer_of_a_message_that_was_unknown_saves(send_harness: SendHarness) -> None:
    held = Held(Accepted(None, SavedReply({"by": "late", "none": None}, "not saved: none (nothing at reply.json.x)")))
    send_harness.provider.answers = [held]
    slow = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    assert (await send_harness.attempt()).state == "unknown"
    held.release.set()
    assert (await slow).state == "sent"
    assert (await send_harness.harness.journeys.one())["saved"] == {"by": "late"}
    row = await send_harness.harness.messages.one()
    assert row["detail"] == "saved by; not saved: none (nothing at reply.json.x)"


@each("send_harness", [POST], indirect=True)
async def test_a_call_that_was_certainly_not_made_is_made_again(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Unavailable("http_503", "busy")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    assert (await send_harness.attempt()).state == "sent"
    assert len(send_harness.provider.got) == 2


@each("send_harness", [HOOK], indirect=True)
async def test_now_is_the_first_claim_in_every_attempt(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Unavailable("http_503", "later"), Ambiguous("lost")]
    for hours in range(2):
        with pytest.raises(UnavailableError):
            await send_harness.attempt(AT + timedelta(hours=hours))
    assert (await send_harness.attempt(AT + timedelta(hours=2))).state == "sent"
    assert [handed.content["data"]["sent"] for handed in send_harness.provider.handed] == ["2026-11-01 12:00"] * 3
    row = await send_harness.harness.messages.one()
    assert row["first_claimed_at"] == AT


@each("send_harness", [EMAIL], indirect=True)
async def test_what_a_provider_has_is_waited_for_though_the_attempt_is_cancelled(send_harness: SendHarness) -> None:
    """As when somebody cancels the workflow in Temporal, where no other attempt would come."""
    held = Held(Accepted(None))
    send_harness.provider.answers = [held]
    sends, temporal = SendActivities(send_harness.sender), ActivityEnvironment()
    attempt = asyncio.create_task(
        temporal.run(sends.send_message, SendRequest(send_harness.message_id, AT, "completed", UNRECORDED))
    )
    await send_harness.provider.reached.wait()
    temporal.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    held.release.set()
    await send_harness.harness.messages.until(state="sent")


@each("send_harness", [URGENT, HOOK], indirect=True)
async def test_nothing_is_repeated_once_the_journey_was_ended(send_harness: SendHarness) -> None:
    await die_after_the_hand_over(send_harness)
    await send_harness.harness.track("u1", "Account Closed")
    assert await send_harness.attempt() == SendOutcome("unknown", journey_ended=True)
    assert len(send_harness.provider.got) == 1


@each("send_harness", [HOOK], indirect=True)
async def test_a_lost_answer_is_asked_for_again_under_the_same_key(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Ambiguous("connection reset")]
    with pytest.raises(UnavailableError):
        await send_harness.attempt()
    assert await send_harness.state() == ("sending", None)
    assert (await send_harness.attempt()).state == "sent"


@each("send_harness", [HOOK], indirect=True)
async def test_what_the_provider_may_have_is_not_given_back_by_an_attempt_that_failed(
    send_harness: SendHarness,
) -> None:
    """An answer is lost, then the provider is away until the window has closed: no other may go in its place."""
    await send_harness.harness.put_caps("rules: [{name: one, limit: 1, per: 30d}]")
    send_harness.provider.answers = [Ambiguous("timeout"), Unavailable("connection", "refused")]
    for at in (AT, AT, NIGHT):
        with pytest.raises(UnavailableError):
            await send_harness.attempt(at)
    assert await send_harness.state() == ("sending", None)
    other = AuthorizeRequest(send_harness.journey_id, "note", 2, 1, AT, MORNING, None, UNRECORDED)
    assert await send_harness.gate.authorize(other) == Refused("capped")
    await send_harness.harness.track("u1", "Account Closed")
    assert await send_harness.attempt(MORNING) == SendOutcome("unknown", journey_ended=True)
    assert len(send_harness.provider.got) == 2


@each("send_harness", [HOOK], indirect=True)
async def test_a_repetition_that_is_rejected_says_nothing_of_what_was_repeated(send_harness: SendHarness) -> None:
    await die_after_the_hand_over(send_harness)
    send_harness.provider.answers = [Rejected("http_410", "gone")]
    assert (await send_harness.attempt()).state == "unknown"
    assert await send_harness.state() == ("unknown", "http_410")


@each("send_harness", [EMAIL], indirect=True)
async def test_a_lost_answer_of_a_marketing_mail_stays_unknown(send_harness: SendHarness) -> None:
    send_harness.provider.answers = [Ambiguous("connection reset")]
    assert (await send_harness.attempt()).state == "unknown"
    assert await send_harness.state() == ("unknown", "answer_lost")


@each("send_harness", [EMAIL], indirect=True)
async def test_an_attempt_that_was_slow_and_not_dead_still_tells(send_harness: SendHarness) -> None:
    """Temporal gave it up and started another, which found the message being sent."""
    answer = Held(Accepted(None))
    send_harness.provider.answers = [answer]
    slow = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    assert (await send_harness.attempt()).state == "unknown"
    answer.release.set()
    assert (await slow).state == "sent"
    assert await send_harness.state() == ("sent", None)
    assert len(send_harness.provider.got) == 1


@each("send_harness", [EMAIL], indirect=True)
async def test_a_refusal_that_comes_before_the_hand_over_is_heeded(send_harness: SendHarness) -> None:
    """Granted, and unsubscribed before the claim."""
    await send_harness.harness.identify("u1", consent={"email": False})
    assert (await send_harness.attempt()).state == "cancelled"
    assert await send_harness.state() == ("cancelled", "no_consent")
    assert send_harness.provider.got == []


@each("send_harness", [EMAIL], indirect=True)
async def test_the_last_message_ends_the_journey_and_its_repetition_says_so(send_harness: SendHarness) -> None:
    assert await send_harness.attempt() == SendOutcome("sent", journey_ended=False)
    assert (await send_harness.harness.ended("u1"))["outcome"] == "completed"
    assert await send_harness.attempt() == SendOutcome("sent", journey_ended=False)


@each("send_harness", [EMAIL], indirect=True)
async def test_what_was_granted_waits_while_the_campaign_is_paused(send_harness: SendHarness) -> None:
    await send_harness.harness.admin("POST", "/v1/campaigns/waiting/pause")
    with pytest.raises(UnavailableError, match="paused"):
        await send_harness.attempt()
    assert send_harness.provider.got == []
    await send_harness.harness.admin("POST", "/v1/campaigns/waiting/resume")
    assert (await send_harness.attempt()).state == "sent"


@each("send_harness", [EMAIL], indirect=True)
async def test_a_late_failure_does_not_bring_an_unknown_message_back(send_harness: SendHarness) -> None:
    failing = Held(Unavailable("connection", "refused"))
    send_harness.provider.answers = [failing]
    slow = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    assert (await send_harness.attempt()).state == "unknown"
    failing.release.set()
    assert (await slow).state == "unknown"
    assert await send_harness.state() == ("unknown", "attempt_died")


@each("send_harness", [HOOK], indirect=True)
async def test_an_attempt_releases_its_own_claim_only(send_harness: SendHarness) -> None:
    """Two attempts run; the first fails, the journey is ended, and the second was accepted all the same."""
    failing, accepting = Held(Unavailable("http_503", "busy")), Held(Accepted("p1"))
    send_harness.provider.answers = [failing, accepting]
    first = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    send_harness.provider.reached.clear()
    second = asyncio.create_task(send_harness.attempt())
    await send_harness.provider.reached.wait()
    failing.release.set()
    with pytest.raises(UnavailableError):
        await first
    assert await send_harness.state() == ("sending", None)
    await send_harness.harness.track("u1", "Account Closed")
    accepting.release.set()
    assert await second == SendOutcome("sent", journey_ended=True)
    assert await send_harness.state() == ("sent", None)


@each("send_harness", [EMAIL], indirect=True)
async def test_the_outcome_says_where_the_journey_goes(send_harness: SendHarness) -> None:
    """Also an outcome that was found: the attempt whose own it was may have had too early a move to say so."""
    await send_harness.attempt_within(move=3)
    assert await send_harness.position() == IN_AN_HOUR
    async with send_harness.database.transaction() as connection:
        await journeys.place(connection, send_harness.journey_id, Position("note", "acting"), 4, AT)
    await send_harness.attempt_within(move=5, at=AT + timedelta(minutes=1))
    assert await send_harness.position() == ("rest", "waiting", AT + timedelta(hours=1, minutes=1))


@each("send_harness", [EMAIL], indirect=True)
async def test_a_message_that_is_tried_again_or_asked_for_again_moves_no_journey(send_harness: SendHarness) -> None:
    before = await send_harness.position()
    send_harness.provider.answers = [Unavailable("provider_error", "busy", None)]
    with pytest.raises(UnavailableError):
        await send_harness.attempt_within(move=3)
    assert await send_harness.position() == before
    assert await send_harness.attempt_within(move=3, at=NIGHT) == SendOutcome("postponed", journey_ended=False)
    assert await send_harness.position() == before


@each("send_harness", [HOOK], indirect=True)
async def test_an_attempt_that_was_given_up_for_dead_does_not_move_the_journey_back(send_harness: SendHarness) -> None:
    dead = Held(Accepted(None))
    send_harness.provider.answers = [dead]
    late = asyncio.create_task(send_harness.attempt_within(move=3))
    await send_harness.provider.reached.wait()
    assert await send_harness.attempt_within(move=3) == SendOutcome("sent", journey_ended=False)
    assert await send_harness.position() == IN_AN_HOUR
    async with send_harness.database.transaction() as connection:
        await journeys.place(connection, send_harness.journey_id, Position("second", "waiting"), 4, AT)
    dead.release.set()
    assert await late == SendOutcome("sent", journey_ended=False)
    assert await send_harness.position() == ("second", "waiting", None)


@each("send_harness", [EMAIL], indirect=True)
async def test_nothing_of_a_version_that_is_being_ended_is_handed_over(send_harness: SendHarness) -> None:
    """From the commit on, though the journey's row has yet to follow."""
    await send_harness.harness.query("UPDATE campaigns SET exiting = '{1}' RETURNING 1")
    assert await send_harness.attempt() == SendOutcome("cancelled", journey_ended=True)
    assert await send_harness.state() == ("cancelled", "journey_ended")
    assert send_harness.provider.got == []


@each("send_harness", [URGENT, HOOK], indirect=True)
async def test_nothing_of_a_version_that_is_being_ended_is_handed_over_again(send_harness: SendHarness) -> None:
    await die_after_the_hand_over(send_harness)
    await send_harness.harness.query("UPDATE campaigns SET exiting = '{1}' RETURNING 1")
    assert await send_harness.attempt() == SendOutcome("unknown", journey_ended=True)
    assert len(send_harness.provider.got) == 1


@each("send_harness", [HOOK], indirect=True)
async def test_what_is_handed_over_again_is_the_same(send_harness: SendHarness) -> None:
    """A provider that honours idempotency keys may refuse one that comes with another content."""
    send_harness.provider.answers = [Unavailable("http_503", "busy"), Ambiguous("connection reset")]
    for minutes in range(2):
        with pytest.raises(UnavailableError):
            await send_harness.attempt(AT + timedelta(minutes=minutes))
    await send_harness.attempt(AT + timedelta(minutes=2))
    [first, *others] = send_harness.provider.handed
    assert others == [first, first]
