"""The outcome of a message, from the delivery of one attempt."""

from typing import assert_never

from msgspec import Struct

from domain.sending.claim import CANCELLED, FAILED, NEXT_CHANNEL, RESERVED, SENT, UNKNOWN, MessageState
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Rejected, Unavailable
from domain.templates.template_sets import TemplateRenderError


class AttemptOutcome(Struct, frozen=True):
    """The state of a message after an attempt. A reserved one gets another attempt."""

    state: MessageState
    reason: str | None = None
    detail: str | None = None
    provider_id: str | None = None

    def passed_on(self) -> "AttemptOutcome":
        """Return the outcome of a failed message that another channel may deliver."""
        return AttemptOutcome(CANCELLED, NEXT_CHANNEL, ": ".join(filter(None, (self.reason, self.detail))))


def judge_attempt(
    delivery: Delivery | TemplateRenderError, *, journey_is_active: bool, is_repetition: bool
) -> AttemptOutcome:
    """Decide the outcome of an attempt.

    With `is_repetition`, an earlier attempt may have delivered the message, so a failure is unknown.
    """
    failed: MessageState = UNKNOWN if is_repetition else FAILED
    match delivery:
        case TemplateRenderError():
            return AttemptOutcome(failed, "template_error", str(delivery))
        case Accepted(waiting=waiting) if waiting is not None and not journey_is_active:
            return AttemptOutcome(CANCELLED, "journey_ended")
        case Accepted(provider_id=provider_id):
            return AttemptOutcome(SENT, provider_id=provider_id)
        case Rejected(reason=reason, detail=detail):
            return AttemptOutcome(failed, reason, detail)
        case Unavailable(detail=detail) if not journey_is_active:
            return AttemptOutcome(CANCELLED, "journey_ended", detail)
        case Unavailable(reason=reason, detail=detail):
            return AttemptOutcome(RESERVED, reason, detail)
        case Ambiguous(detail=detail):
            return AttemptOutcome(UNKNOWN, "answer_lost", detail)
        case _:
            assert_never(delivery)
