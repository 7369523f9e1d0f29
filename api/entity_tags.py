"""ETag, If-Match and If-None-Match (RFC 9110)."""

import re
from hashlib import sha256
from typing import Annotated

import msgspec
from fastapi import Depends, Header, Response

from domain.revisions import UNCONDITIONAL, Precondition

_TAG = re.compile(r'(W/)?"([^"]*)"')


class Tag:
    """The ETag of an answer. With it, an unchanged If-None-Match is answered 304."""

    def __init__(self, response: Response) -> None:
        self._response = response

    def set(self, revision: int, *counted: object) -> None:
        """Set the ETag from the revision, for If-Match, and from other changing parts."""
        digest = f".{sha256(msgspec.json.encode(counted)).hexdigest()[:12]}" if counted else ""
        self._response.headers["ETag"] = f'"{revision}{digest}"'


async def open_tag(response: Response) -> Tag:
    """Return the tag of a route's answer."""
    # Asynchronous, or the framework would use a thread.
    return Tag(response)


Tagged = Annotated[Tag, Depends(open_tag)]


def mark_masked(response: Response) -> None:
    """Give a masked answer an ETag of its own, with the revision as before."""
    if (etag := response.headers.get("ETag")) is not None:
        response.headers["ETag"] = f'{etag[:-1]}.masked"'


def is_known(if_none_match: str, etag: str) -> bool:
    """Whether If-None-Match contains the ETag."""
    return if_none_match.strip() == "*" or any(f'"{tag}"' == etag for _, tag in _TAG.findall(if_none_match))


async def precondition(
    if_match: Annotated[
        str | None,
        Header(
            max_length=1024, description="The ETag that was read: done only where it is still so.", examples=['"7"']
        ),
    ] = None,
) -> Precondition:
    """Return the condition of If-Match."""
    if if_match is None:
        return UNCONDITIONAL
    if if_match.strip() == "*":
        return Precondition()
    revisions = (tag.partition(".")[0] for weak, tag in _TAG.findall(if_match) if not weak)
    return Precondition(frozenset(int(revision) for revision in revisions if re.fullmatch(r"[0-9]{1,18}", revision)))


IfMatch = Annotated[Precondition, Depends(precondition)]
