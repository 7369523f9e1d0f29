"""Checks of authors' documents, isolated from the rest of the process."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from domain.campaign.difference import Change
from domain.campaign.publication import Published
from domain.deployed_names import DeployedNames
from domain.deployment_documents import DocumentKind, Rule
from domain.errors import Problem
from domain.people.segment_document import CheckedSegment, SegmentSource
from domain.people.segments.definition import SegmentRule
from domain.rehearsal.given_documents import GivenDocument, GivenText
from domain.sending.previewed_people import PreviewedPerson
from domain.sending.previews import MessagePreview, PreviewedMessage, PreviewOptions


class CampaignText(Struct, frozen=True):
    """A campaign document as its author wrote it, with its templates by file name.

    `names` are the deployment's, by which it is checked.
    """

    source: str
    file: str
    templates: Mapping[str, str]
    names: DeployedNames | None = None


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

    async def segments(
        self, texts: Sequence[SegmentSource], names: DeployedNames, deployed: Mapping[str, SegmentRule]
    ) -> list[CheckedSegment]:
        """Check segments together, by the names and the segments of the deployment."""
        ...

    async def condition(self, where: str, names: DeployedNames) -> Sequence[Problem]:
        """Check a segment's condition by the names of the deployment; return warnings."""
        ...

    async def preview(
        self, message: PreviewedMessage, person: PreviewedPerson | None, options: PreviewOptions
    ) -> MessagePreview:
        """Render a message for a person, or for an invented one."""
        ...

    async def backtest(self, texts: Sequence[GivenText]) -> list[GivenDocument]:
        """Check the documents of a backtest together, and find their kinds."""
        ...

    async def changes(self, before: CampaignText | None, after: CampaignText) -> list[Change]:
        """Compare two valid documents; None stands for an empty one."""
        ...
