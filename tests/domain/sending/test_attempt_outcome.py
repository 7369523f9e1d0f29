import pytest

from domain.sending.attempt_outcome import AttemptOutcome, judge_attempt
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from domain.templates.liquid_text import SourceLocation
from domain.templates.template_sets import TemplateRenderError

ACCEPTED, LOST = Accepted("p1"), Ambiguous("connection reset")
LATER, GONE = Unavailable("busy", "503", 3.0), Rejected("gone", "no such device")
BROKEN = TemplateRenderError(SourceLocation("note.liquid", 3, "body"), "it is too long")


@pytest.mark.parametrize(
    ("delivery", "first", "after_exit", "repeated"),
    [
        (ACCEPTED, AttemptOutcome("sent", provider_id="p1"), "sent", "sent"),
        (LOST, AttemptOutcome("unknown", "answer_lost", "connection reset"), "unknown", "unknown"),
        (GONE, AttemptOutcome("failed", "gone", "no such device"), "failed", "unknown"),
        (BROKEN, AttemptOutcome("failed", "template_error", str(BROKEN)), "failed", "unknown"),
        (LATER, AttemptOutcome("reserved", "busy", "503"), "cancelled", "reserved"),
    ],
)
def test_what_an_attempt_comes_to(
    delivery: Delivery | TemplateRenderError, first: AttemptOutcome, after_exit: str, repeated: str
) -> None:
    assert judge_attempt(delivery, journey_is_active=True, is_repetition=False) == first
    assert judge_attempt(delivery, journey_is_active=False, is_repetition=False).state == after_exit
    assert judge_attempt(delivery, journey_is_active=True, is_repetition=True).state == repeated
