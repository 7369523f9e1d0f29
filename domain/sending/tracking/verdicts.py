"""Tell people from machines among those who open a mail and follow its links.

Scanners of mail servers follow links before a person sees them, many at once, from seconds to minutes after the
delivery. The rules need no address of the client, and none is kept.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

from domain.sending.tracking.tokens import PIXEL, TRAP

# After the first hit, a verdict waits for what else the same client does.
VERDICT_AFTER: Final = timedelta(seconds=60)
# No person has opened a mail so soon after its delivery.
TOO_SOON: Final = timedelta(seconds=2)
# No person follows two links of a mail within this time.
BURST: Final = timedelta(seconds=2)
# A trap voids what came so shortly before and after it.
TRAPPED: Final = timedelta(seconds=60)

Client = Literal["browser", "machine"]


class Hit(Struct, frozen=True):
    """A request for a tracked address: a link by its number, TRAP or PIXEL.

    One that a provider has tracked and reported has no number, and its target. `client` is judged by what it says of
    itself.
    """

    id: int
    at: datetime
    number: int | None
    client: Client
    is_head: bool = False
    reported_link: str | None = None

    def follows_another(self, other: "Hit") -> bool:
        """Return whether two clicks are known to be of different links.

        A click that both track is one: the provider's link leads to ours.
        """
        return (self.number is None) == (other.number is None) and (self.number, self.reported_link) != (
            other.number,
            other.reported_link,
        )


def judge(hits: Sequence[Hit], delivered_at: datetime | None) -> dict[int, bool]:
    """Return whether each hit of a message is a person's, by its id.

    `delivered_at` is the delivery, or the hand-over where no delivery is reported. A confirmation by a page ends the
    wait for a verdict, and outweighs no sign of a machine: scanners run the scripts of pages as well.
    """
    clicks = [hit for hit in hits if hit.number not in (TRAP, PIXEL)]
    traps = [hit.at for hit in hits if hit.number == TRAP]
    return {hit.id: _is_person(hit, clicks, traps, delivered_at) for hit in hits}


def _is_person(hit: Hit, clicks: Sequence[Hit], traps: Sequence[datetime], delivered_at: datetime | None) -> bool:
    if hit.number == TRAP or hit.is_head or hit.client == "machine":
        return False
    if delivered_at is not None and hit.at < delivered_at + TOO_SOON:
        return False
    if any(abs(hit.at - at) <= TRAPPED for at in traps):
        return False
    if hit.number == PIXEL:
        return True
    return not any(abs(hit.at - other.at) <= BURST and other.follows_another(hit) for other in clicks)
