"""Documents that are given to a simulation, to take the place of what runs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from domain.campaign.publication import Published, check
from domain.deployment_documents import (
    COMPUTED,
    FREQUENCY_CAPS,
    LIFECYCLE,
    PLACES,
    PROVIDERS,
    TOPICS,
    DocumentKind,
)
from domain.document.yaml_source import read
from domain.document_schemas import find_document_kind
from domain.errors import InvalidDocumentError, Problem
from domain.people.segment_document import parse_segment

CAMPAIGN: Final = "campaign"
SEGMENT: Final = "segment"
# The documents of the deployment that decide about messages, by the fields of `DeployedRules`.
_FIELDS: Final[Sequence[tuple[DocumentKind[Any], str]]] = (
    (FREQUENCY_CAPS, "caps"),
    (COMPUTED, "computed"),
    (LIFECYCLE, "stages"),
    (PLACES, "places"),
    (TOPICS, "topics"),
    (PROVIDERS, "providers"),
)
_BY_NAME: Final = {kind.name: (kind, field) for kind, field in _FIELDS}


class GivenText(Struct, frozen=True):
    """A document as its author wrote it; a campaign has its templates by file name."""

    file: str
    source: str
    templates: Mapping[str, str] = {}


class GivenDocument(Struct, frozen=True):
    """A document with its kind."""

    kind: str
    text: GivenText


def find_kind(text: GivenText) -> GivenDocument:
    """Return a document with its kind. Raises InvalidDocumentError."""
    return GivenDocument(find_document_kind(read(text.source, text.file).data), text)


def check_documents(texts: Iterable[GivenText]) -> list[GivenDocument]:
    """Check documents and return them with their kinds.

    Raises InvalidDocumentError with the problems of all.
    """
    found: list[GivenDocument] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            found.append(find_kind(text))
        except InvalidDocumentError as error:
            problems += error.problems
    for checks in (check_campaigns, parse_rules):
        try:
            checks(found)
        except InvalidDocumentError as error:
            problems += error.problems
    if problems:
        raise InvalidDocumentError(problems)
    return found


def check_campaigns(documents: Sequence[GivenDocument]) -> dict[str, Published]:
    """Compile the campaigns among documents, by their files.

    Raises InvalidDocumentError, also for two of one key.
    """
    found: dict[str, Published] = {}
    for one in (document for document in documents if document.kind == CAMPAIGN):
        checked = check(one.text.source, one.text.file, one.text.templates)
        _refuse_twin(one, checked.definition.key, {known.definition.key: file for file, known in found.items()})
        found[one.text.file] = checked
    return found


def parse_rules(documents: Sequence[GivenDocument]) -> dict[str, Any]:
    """Return the rules of all but campaigns, by the fields of `DeployedRules`.

    Raises InvalidDocumentError for a document that decides nothing about messages.
    """
    rules: dict[str, Any] = {"segments": {}}
    keys: dict[str, str] = {}
    known: dict[str, str] = {}
    for one in (document for document in documents if document.kind != CAMPAIGN):
        file = one.text.file
        if one.kind == SEGMENT:
            checked = parse_segment(one.text.source, file)
            _refuse_twin(one, checked.key, keys)
            keys[checked.key] = file
            rules["segments"][checked.key] = checked.rule
        elif one.kind in _BY_NAME:
            kind, field = _BY_NAME[one.kind]
            if field in known:
                said = f"{known[field]} is the document of the {kind.title} as well"
                raise InvalidDocumentError([Problem(file, 1, "document", said, "Give one of them")])
            known[field] = file
            rules[field] = kind.parse(one.text.source, file)
        else:
            said = f"{file} does not decide about messages"
            raise InvalidDocumentError([Problem(file, 1, "document", said, "Leave it out")])
    return rules


def _refuse_twin(one: GivenDocument, key: str, known: Mapping[str, str]) -> None:
    """Refuse a campaign or a segment whose key another document has."""
    if key in known:
        said = f"`{key}` is the key of {known[key]} as well"
        raise InvalidDocumentError([Problem(one.text.file, 1, "key", said, f"Give each {one.kind} a key of its own")])
