"""Activity: the events that tell of something the person did.

An event trait of `*`, "last seen" and sessions count these only. Any other event counts where its name is given.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Final

from domain.tracking.event import AUDIENCE, SOJOURN_SOURCE, Event
from domain.tracking.reactions import message_reacted_to

# Reports of mail services, push services and carriers, and reactions to a message: a machine may have opened it, and a
# click is followed by an event of the app. Source: Segment's specs for email and mobile events; "Sent", "Dropped" and
# "Failed" are those of customer.io and Twilio.
_REPORT: Final = re.compile(
    r"(Email|Push|Push Notification|SMS|WhatsApp|Text Message|In-App Message|Webhook)( Link| Message)? "
    r"(Sent|Delivered|Bounced|Dropped|Deferred|Failed|Received|Opened|Clicked|Tapped|Dismissed|Marked as Spam)"
)


def is_activity(event: Event, server_sources: Collection[str] = ()) -> bool:
    """Return whether an event tells of something the person did.

    `server_sources` report what systems did. Those, Sojourn's own events, reports of channels and reactions to messages
    do not count as activity. History does: the person did it, only earlier.
    """
    if event.type == AUDIENCE or event.source == SOJOURN_SOURCE or event.source in server_sources:
        return False
    if event.type != "track" or event.name is None:
        return True
    return not is_report(event.name) and message_reacted_to(event) is None


@lru_cache(maxsize=1_024)
def is_report(name: str) -> bool:
    """Return whether an event of this name reports what became of a message."""
    return _REPORT.fullmatch(name) is not None
