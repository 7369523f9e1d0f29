"""Scopes include others, and each role is a set of them."""

import pytest

from domain.access import ROLES, Role, Scope, find_role, includes

EVERYTHING_OF_SERVERS = set(Scope) - {Scope.INGEST, Scope.CLIENT}


@pytest.mark.parametrize(
    ("role", "opened"),
    [
        (Role.VIEWER, {"read"}),
        (Role.AUTHOR, {"read", "author"}),
        (Role.OPERATOR, {"read", "author", "operate", "send", "people"}),
        (Role.APPROVER, {"read", "people", "approve"}),
        (Role.ADMIN, EVERYTHING_OF_SERVERS),
    ],
)
def test_roles_open_their_scopes_alone(role: Role, opened: set[str]) -> None:
    assert {scope for scope in Scope if includes(ROLES[role], scope)} == opened


def test_only_exactly_its_scopes_make_a_role() -> None:
    assert {find_role(ROLES[role]) for role in Role} == set(Role)
    assert find_role([Scope.READ, Scope.PEOPLE]) is None
    assert find_role([]) is None


def test_tracking_is_never_included() -> None:
    for scope in EVERYTHING_OF_SERVERS:
        assert not includes({scope}, Scope.INGEST)
        assert not includes({scope}, Scope.CLIENT)
