"""Single sign-on: people of an identity provider, and the roles of their groups."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final
from urllib.parse import unquote

from msgspec import Struct

from domain.access import Actor, Role, Scope, unite_roles
from domain.errors import ForbiddenError

MAX_NAME_CHARACTERS: Final = 200
MAX_RETURN_CHARACTERS: Final = 1_000
# The page that a person sees who has asked for none.
CONSOLE: Final = "/console"
_BELOW_CONSOLE: Final = re.compile(rf"{CONSOLE}(?:[/?][!-\[\]-~]*)?")
# The claims that may name a person, by OpenID Connect Core 1.0, 5.1; the first that is there counts.
_NAMES: Final = ("name", "preferred_username", "email", "sub")


class SignedOnPerson(Struct, frozen=True):
    """A person of an identity provider, with the scopes of their groups."""

    actor: Actor
    scopes: frozenset[Scope]


def read_person(issuer: str, claims: Mapping[str, Any], groups_claim: str, roles: Mapping[str, Role]) -> SignedOnPerson:
    """Return the person of verified claims.

    The actor's id is the same for ever, since `sub` is: names and addresses may pass to another person. Raises
    ForbiddenError if no group has a role.
    """
    given = claims.get(groups_claim)
    groups = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    held = {roles[group] for group in groups if isinstance(group, str) and group in roles}
    if not held:
        raise ForbiddenError(
            f"the identity provider knows you, but none of your groups (claim {groups_claim}) has a role here. Ask "
            "who runs Sojourn to add you to a group of SOJOURN_OIDC_ROLES, or a group of yours to it; then log in again"
        )
    subject = str(claims["sub"])
    digest = sha256(f"{issuer}\n{subject}".encode()).hexdigest()
    id = f"oidc_{digest[:32]}"
    names = (_clean(claims.get(claim)) for claim in _NAMES)
    return SignedOnPerson(Actor(id, next(filter(None, names), id)), unite_roles(held))


def choose_return(asked: str) -> str:
    """Return the page to show after a log-in: the requested one, if of the console."""
    is_own = len(asked) <= MAX_RETURN_CHARACTERS and _BELOW_CONSOLE.fullmatch(asked) is not None
    path = asked.partition("?")[0]
    # Browsers resolve dots, encoded ones as well, and take two slashes for a host.
    is_plain = "//" not in path and not any(unquote(part) in (".", "..") for part in path.split("/"))
    return asked if is_own and is_plain else CONSOLE


def _clean(name: object) -> str:
    printable = "".join(filter(str.isprintable, name)) if isinstance(name, str) else ""
    return printable.strip()[:MAX_NAME_CHARACTERS]
