"""Checks of authors' documents, isolated from the rest of the process."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.deployment_documents import DocumentKind, Rule
from domain.people.computed.definition import TraitType


class CampaignText(Struct, frozen=True):
    """A campaign document as its author wrote it, with its templates by file name.

    `computed` are the types of the deployment's computed traits, by which it is checked.
    """

    source: str
    file: str
    templates: Mapping[str, str]
    computed: Mapping[str, TraitType] | None = None


class Documents(Protocol):
    """Checks documents within limits of processor time, memory and time.

    A key that may only read may send any text. Every method raises InvalidDocumentError with all problems, or with the
    exceeded limit, and OverloadedError if too many documents wait.
    """

    async def campaign(self, text: CampaignText) -> Published:
        """Check and compile a campaign."""
        ...

    async def rules(self, kind: DocumentKind[Rule], source: str, file: str) -> list[Rule]:
        """Return the rules of a document of the deployment."""
        ...

    async def changes(self, before: CampaignText | None, after: CampaignText) -> list[Change]:
        """Compare two valid documents; None stands for an empty one."""
        ...
