"""Identifiers by which ad platforms find people; they leave as hashes."""

from collections.abc import Callable, Collection, Iterable, Mapping
from hashlib import sha256
from typing import Final, Literal, cast

IdentifierKind = Literal["email", "phone", "external_id"]

# The channels whose normalised address is an identifier; an external id is the user id.
CHANNEL_OF: Final[Mapping[IdentifierKind, str]] = {"email": "email", "phone": "sms"}

# A person for a platform: hashes by kind.
HashedIdentifiers = Mapping[IdentifierKind, str]


def hash_identifiers(
    kinds: Iterable[IdentifierKind],
    addresses: Mapping[str, str],
    user_id: str | None,
    normalize: Callable[[IdentifierKind, str], str],
) -> dict[IdentifierKind, str]:
    """Return the SHA-256 of a person's identifiers, as a platform normalises them.

    `addresses` are those of the profile: lower case without blanks, numbers in E.164.
    """
    found = {kind: addresses.get(CHANNEL_OF[kind]) if kind in CHANNEL_OF else user_id for kind in kinds}
    return {kind: sha256(normalize(kind, value).encode()).hexdigest() for kind, value in found.items() if value}


def pack_identifiers(identifiers: HashedIdentifiers) -> list[str]:
    """Return identifiers as they are stored: `email:…`."""
    return [f"{kind}:{value}" for kind, value in sorted(identifiers.items())]


def unpack_identifiers(packed: Collection[str]) -> list[dict[IdentifierKind, str]]:
    """Return stored identifiers as people.

    A person may have had several of a kind; each further one is a person of its own.
    """
    people: list[dict[IdentifierKind, str]] = []
    for text in sorted(packed):
        kind, _, value = text.partition(":")
        free = next((person for person in people if kind not in person), None)
        if free is None:
            people.append(free := {})
        free[cast(IdentifierKind, kind)] = value
    return people
