"""The hours in which a message may go: its campaign's window, above the law's."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from domain.channels.kinds import CHANNELS
from domain.local_time.legal_hours import LegalHours, next_allowed
from domain.local_time.windows import LocalWindow
from domain.sending.caps import ONE_TIME_CODE, is_transactional

SEND_WINDOW: Final = "send_window"
LEGAL_HOURS: Final = "legal_hours"


class SendHours(Struct, frozen=True):
    """A window in a recipient's zone, and the hours of law; None for any."""

    window: LocalWindow | None
    zone: ZoneInfo
    law: LegalHours | None = None

    def next_open(self, at: datetime) -> datetime:
        """Return the first instant from `at` on at which the message may go."""
        return next_allowed(self.law, self.window, self.zone, at)

    def find_reason(self, at: datetime) -> Literal["send_window", "legal_hours"]:
        """Return the reason why the message may not go at an instant."""
        return LEGAL_HOURS if next_allowed(self.law, None, self.zone, at) > at else SEND_WINDOW

    def data(self, at: datetime) -> dict[str, Any]:
        """Return what a decision keeps of the hours: the zone, and the region of the law."""
        if self.law is None or self.find_reason(at) == SEND_WINDOW:
            return {"timezone": self.zone.key}
        return {"timezone": self.law.zones[0], "region": self.law.region, "zones": list(self.law.zones)}


def find_hours(
    channel: str, category: str, traits: Mapping[str, Any], window: LocalWindow | None, zone: ZoneInfo
) -> SendHours:
    """Return the hours of a message. `zone` is the recipient's.

    Transactional messages have no window: the user asked for them. One-time codes go at any time, and so do messages
    that wait for their person, who is there when they show.
    """
    if CHANNELS[channel].waits_for_person:
        return SendHours(None, zone)
    law = None if category == ONE_TIME_CODE else CHANNELS[channel].legal_hours(traits)
    if law is not None and not law.zones:
        law = replace(law, zones=(zone.key,))
    return SendHours(None if is_transactional(category) else window, zone, law)
