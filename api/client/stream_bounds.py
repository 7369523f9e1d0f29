"""Bounds on the open streams of one process.

Any caller may be an attacker: each address and key has a share, and so have all that bring no user token.
"""

from random import randint
from typing import Final

from api.admission import Share
from domain.errors import OverloadedError

# The shares of one address, which many people may have, and of all streams without a user token: anyone invents
# anonymous ids. One key leaves a quarter to the pages of others.
SHARE_OF_ADDRESS: Final = 8
SHARE_OF_ANONYMOUS: Final = 2
KEPT_FOR_OTHER_KEYS: Final = 4
# The range of delays, so that pages that were refused together do not return together. Seconds.
SOONEST: Final = 20
LATEST: Final = 60


class StreamBounds:
    """Counts the open streams."""

    def __init__(self, most: int) -> None:
        self._of_addresses = Share(most, max(1, most // SHARE_OF_ADDRESS))
        self._of_keys = Share(most, max(1, most - most // KEPT_FOR_OTHER_KEYS))
        self._anonymous = Share(max(1, most // SHARE_OF_ANONYMOUS), most)

    def take(self, address: str, key: str, *, is_anonymous: bool) -> None:
        """Count a stream. Raises OverloadedError."""
        wanted = self._list(address, key, is_anonymous=is_anonymous)
        for number, (share, name) in enumerate(wanted):
            if not share.take(name, 1):
                for other, taken in wanted[:number]:
                    other.give_back(taken, 1)
                raise OverloadedError(
                    "as many streams are open as there may be, in this process, from your address, with this key or "
                    "without a user token: poll `GET /v1/client/messages` meanwhile",
                    retry_after=randint(SOONEST, LATEST),  # noqa: S311 -- not a secret
                )

    def give_back(self, address: str, key: str, *, is_anonymous: bool) -> None:
        """Forget a stream."""
        for share, name in self._list(address, key, is_anonymous=is_anonymous):
            share.give_back(name, 1)

    def _list(self, address: str, key: str, *, is_anonymous: bool) -> list[tuple[Share, str]]:
        shares = [(self._of_addresses, address), (self._of_keys, key)]
        return [*shares, (self._anonymous, "")] if is_anonymous else shares
