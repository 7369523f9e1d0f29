"""ETag, If-Match and If-None-Match (RFC 9110): who has seen which state of a document."""

import re
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Response

from domain.revisions import UNCONDITIONAL, Precondition

_TAG = re.compile(r'(W/)?"([^"]*)"')


class Tag:
    """The ETag of a route's answer. A route that takes one answers If-None-Match with 304 where nothing has changed."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def set(self, revision: int, *counted: object) -> None:
        """Name the document's revision, and whatever else the answer shows that changes without a revision.

        If-Match looks at the revision alone, If-None-Match at everything.
        """
        digest = f".{sha256(msgspec.json.encode(counted)).hexdigest()[:12]}" if counted else ""
        self._response.headers["ETag"] = f'"{revision}{digest}"'


Tagged = Annotated[Tag, Depends(Tag)]


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match names the ETag."""
    return if_none_match.strip() == "*" or any(f'"{tag}"' == etag for _, tag in _TAG.findall(if_none_match))


def precondition(
    if_match: Annotated[
        str | None,
        Header(
            max_length=1024, description="The ETag that was read: done only where it is still so.", examples=['"7"']
        ),
    ] = None,
) -> Precondition:
    """What If-Match asks for."""
    if if_match is None:
        return UNCONDITIONAL
    if if_match.strip() == "*":
        return Precondition()
    revisions = (tag.partition(".")[0] for weak, tag in _TAG.findall(if_match) if not weak)
    return Precondition(frozenset(int(revision) for revision in revisions if re.fullmatch(r"[0-9]{1,18}", revision)))


IfMatch = Annotated[Precondition, Depends(precondition)]
