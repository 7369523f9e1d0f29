"""Messages as reports are about them."""

from uuid import UUID

from domain.sending.report_events import ReportedMessage


def reported_message(id: UUID | None) -> ReportedMessage:
    """A message of the step `nudge`, in the arm `discount`."""
    assert id is not None
    return ReportedMessage(
        id=id,
        profile_id=UUID(int=1),
        user_id="u-1",
        anonymous_id=None,
        channel="email",
        campaign="abandoned-cart",
        step="nudge",
        template="cart-nudge",
        address="ada@example.com",
        arms={"offer": "discount"},
    )
