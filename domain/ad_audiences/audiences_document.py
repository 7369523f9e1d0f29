"""The document of audiences: each at an account of the document of providers."""

from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import Field

from domain.ad_audiences.identifiers import IdentifierKind
from domain.ad_audiences.rules import AdAudienceRule
from domain.campaign.schema import DocumentModel, Given, Listed, Slug
from domain.campaign.schema_errors import validate
from domain.document.yaml_source import YamlSource, read
from domain.errors import InvalidDocumentError, Problem

INITIAL_AUDIENCES: Final = "audiences: {}\n"
MAX_AUDIENCES: Final = 100

ListId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
# Keys of segments that Sojourn makes have dots.
MirroredKey = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]


class AdAudienceModel(DocumentModel):
    """An audience at an ad platform."""

    provider: Slug = Field(description="the account, of the document of providers")
    id: ListId = Field(description="the id of the audience there, which exists: `120210000000000000`")
    mirror: Annotated[MirroredKey | None, Given] = Field(
        None, description="the segment whose members are in it; left out, steps add and remove people"
    )
    identifiers: Annotated[tuple[IdentifierKind, ...], Listed, Field(min_length=1)] = Field(
        ("email",),
        description="by what the platform finds people: `email`, `phone`, `external_id` (the user id), hashed all",
    )


class AdAudiencesDocument(DocumentModel):
    """The audiences at ad platforms, by name."""

    audiences: dict[Slug, AdAudienceModel] = Field(description="the audiences by name; `{}` for none")


def parse_audiences(text: str, file: str) -> tuple[AdAudienceRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(AdAudiencesDocument, source)
    problems += source.problems
    if document is not None:
        problems += _find_faults(document, source)
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    return tuple(
        AdAudienceRule(name, one.provider, one.id, one.identifiers, one.mirror)
        for name, one in document.audiences.items()
    )


def to_document(rule: AdAudienceRule) -> dict[str, Any]:
    """Return a rule as authors write it, with its name."""
    mirror = {} if rule.mirror is None else {"mirror": rule.mirror}
    return {
        "name": rule.name,
        "provider": rule.provider,
        "id": rule.list_id,
        **mirror,
        "identifiers": list(rule.identifiers),
    }


def _find_faults(document: AdAudiencesDocument, source: YamlSource) -> Iterator[Problem]:
    if len(document.audiences) > MAX_AUDIENCES:
        said = f"there are {len(document.audiences)} audiences"
        yield source.problem(("audiences",), said, f"Keep {MAX_AUDIENCES}")
    first: dict[tuple[str, str], str] = {}
    for name, one in document.audiences.items():
        if len(set(one.identifiers)) < len(one.identifiers):
            yield source.problem(("audiences", name, "identifiers"), "an identifier stands here twice", "Keep it once")
        if (other := first.setdefault((one.provider, one.id), name)) != name:
            said = f"`{other}` is the same audience of `{one.provider}`"
            yield source.problem(("audiences", name, "id"), said, "Keep one of the two")
