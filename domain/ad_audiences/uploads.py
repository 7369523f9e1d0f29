"""The socket of an ad platform: requests that add people or remove them."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from domain.ad_audiences.identifiers import HashedIdentifiers
from domain.sending.delivery import Delivery, Unavailable

UploadAction = Literal["add", "remove"]
# `processing` until the platform has worked on a request that it took.
UploadState = Literal["processing", "done", "failed"]


class UploadResult(Struct, frozen=True):
    """The outcome of a request.

    `invalid` is the number of people that the platform could not read, and `refused` says why by their index, if the
    platform says which. With `request_id` it works on the request later, and can be asked.
    """

    delivery: Delivery
    invalid: int = 0
    refused: Mapping[int, str] = {}
    request_id: str | None = None


class UploadProgress(Struct, frozen=True):
    """The state of an accepted request; `detail` says what failed."""

    state: UploadState
    invalid: int = 0
    detail: str = ""


class AdPlatform(Protocol):
    """An account at an ad platform.

    Adding someone who is in an audience, and removing someone who is not, changes nothing there: requests may be
    repeated. A failure of platform or network is a Delivery, not an exception.
    """

    @property
    def name(self) -> str:
        """The kind of platform."""
        ...

    async def upload(self, audience: str, action: UploadAction, people: Sequence[HashedIdentifiers]) -> UploadResult:
        """Add people to an audience, or remove them. `audience` is its id there."""
        ...

    async def look_up(self, request_id: str) -> UploadProgress | Unavailable:
        """Return what became of a request that the platform works on later."""
        ...

    async def check(self) -> Unavailable | None:
        """Try the account without changes; return why it cannot be used, else None."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
