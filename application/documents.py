"""Checking the documents that authors send, away from everything else that a process does."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.sending.caps import CapRule


class CampaignText(Struct, frozen=True):
    """A campaign document as its author wrote it, with its templates by file name."""

    source: str
    file: str
    templates: Mapping[str, str]


class Documents(Protocol):
    """Checks documents under limits on processor time, memory and time: a key that may only read may send any text.

    Every method raises InvalidDocumentError with all that is wrong, or with the limit that was reached, and
    OverloadedError where too many documents wait.
    """

    async def campaign(self, text: CampaignText) -> Published:
        """The campaign proved and compiled."""
        ...

    async def caps(self, source: str, file: str) -> list[CapRule]:
        """The rules of a caps document."""
        ...

    async def changes(self, before: CampaignText | None, after: CampaignText) -> list[Change]:
        """What differs between two documents that were proved before; None stands for an empty one."""
        ...
