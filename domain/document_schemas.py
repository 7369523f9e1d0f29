"""The kinds of documents, by the names of their JSON Schemas."""

from functools import cache
from typing import Any

from domain.campaign.definition import CampaignDocument
from domain.campaign.json_schema import json_schema
from domain.campaign.schema import DocumentModel
from domain.deployment_documents import DEPLOYMENT_DOCUMENTS
from domain.errors import NotFoundError
from domain.people.segment_document import SegmentDocument
from domain.rehearsal.scenario_document import ScenariosDocument

_DOCUMENTS: dict[str, tuple[type[DocumentModel], str]] = {
    "campaign": (CampaignDocument, "Sojourn campaign"),
    "segment": (SegmentDocument, "Sojourn segment"),
    **{name: (kind.model, f"Sojourn {kind.title}") for name, kind in DEPLOYMENT_DOCUMENTS.items()},
}
NAMES = tuple(_DOCUMENTS)
# Files beside the documents, which are never applied.
_LOCAL: dict[str, tuple[type[DocumentModel], str]] = {"scenarios": (ScenariosDocument, "Sojourn scenarios")}
FILE_NAMES = (*NAMES, *_LOCAL)


@cache
def document_schema(name: str) -> dict[str, Any]:
    """The schema of a kind of document. Raises NotFoundError."""
    known = {**_DOCUMENTS, **_LOCAL}
    if name not in known:
        raise NotFoundError(f"there is no schema {name}; there are {', '.join(FILE_NAMES)}", name=name)
    model, title = known[name]
    return json_schema(model, name, title)


def find_document_kind(data: Any) -> str:
    """The kind whose keys a document has most of; "campaign" where no key tells."""
    return max(NAMES, key=lambda name: _count_keys(data, name))


def find_other_kind(data: Any, wanted: str) -> str | None:
    """Return another kind that a document has more keys of than of the wanted one."""
    found = find_document_kind(data)
    return found if _count_keys(data, found) > _count_keys(data, wanted) else None


def _count_keys(data: Any, name: str) -> int:
    keys = set(data) if isinstance(data, dict) else set()
    return len(keys & _DOCUMENTS[name][0].named_fields().keys())
