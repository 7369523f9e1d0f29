"""The revision of a document that a caller has seen before changing it."""

from typing import Final

from msgspec import Struct

from domain.errors import PreconditionFailedError


class Precondition(Struct, frozen=True):
    """A condition: the document is at one of these revisions, or exists if None."""

    revisions: frozenset[int] | None = None
    is_asked: bool = True

    def require(self, current: int | None) -> None:
        """Raise PreconditionFailedError unless the revision, or its absence, is as asked."""
        if not self.is_asked or (current is not None and (self.revisions is None or current in self.revisions)):
            return
        if current is None:
            raise PreconditionFailedError("If-Match asks for what is not there yet", current=None)
        raise PreconditionFailedError(f'it has changed: its ETag is "{current}" now', current=f'"{current}"')


# A caller that does not say what it saw may change anything.
UNCONDITIONAL: Final = Precondition(is_asked=False)
