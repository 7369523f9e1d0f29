"""Whether rules hear the ends of sessions, which are looked for only then."""

from datetime import UTC, datetime
from uuid import UUID

from domain.journey.listeners import Listeners
from domain.people.computed.deployed import DeployedTraits
from domain.people.session_events import ENDED_TRIGGER, SESSION_ENDED
from domain.tracking.event import SOJOURN_SOURCE, Event

_SAMPLE = Event(
    id=UUID(int=0),
    source=SOJOURN_SOURCE,
    message_id="",
    type="track",
    name=SESSION_ENDED,
    user_id=None,
    anonymous_id="-",
    properties={},
    context={},
    timestamp=datetime.min.replace(tzinfo=UTC),
)


def hears_ends(listeners: Listeners, traits: DeployedTraits) -> bool:
    """Return whether a campaign or a computed trait hears the ends of sessions."""
    return listeners.listens_for(ENDED_TRIGGER) or traits.following.hears(_SAMPLE)
