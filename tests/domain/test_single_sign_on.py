"""The person of an identity provider's answer, and the pages to which a log-in leads."""

import pytest

from domain.access import ROLES, Role, Scope, find_role, unite_roles
from domain.single_sign_on import choose_return, read_person

ISSUER = "https://accounts.example"
ADMIN = {"admins": Role.ADMIN}


@pytest.mark.parametrize(
    "path",
    [
        "/console",
        "/console/",
        "/console?x=1",
        "/console/people/u-1?tab=consent&after=%2F%2Fx",
        "/console/campaigns?from=//x",
        "/console/a.b/..c",
    ],
)
def test_pages_of_the_console(path: str) -> None:
    assert choose_return(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/consoles",
        "console",
        "https://evil.example/console",
        "//evil.example/console",
        "/console//evil.example",
        "/console/..//evil.example",
        "/console/../v1/session",
        "/console/%2e%2E/v1/session",
        "/console/x/.",
        "/console\\..\\x",
        "/console/\\evil.example",
        "/console/x\r\nSet-Cookie: a=b",
        "/console/\tx",
        "/console/ü",
        "/console#x",
        "/console/" + "x" * 1_000,
    ],
)
def test_other_pages_are_not_shown(path: str) -> None:
    assert choose_return(path) == "/console"


def test_an_actor_is_of_one_issuer() -> None:
    claims = {"sub": "1", "groups": ["admins"]}
    ids = {read_person(issuer, claims, "groups", ADMIN).actor.id for issuer in (ISSUER, "https://other.example")}
    assert len(ids) == 2
    assert read_person(ISSUER, claims, "groups", ADMIN) == read_person(ISSUER, dict(claims), "groups", ADMIN)


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "7"),
        ({"name": " ", "preferred_username": "ada"}, "ada"),
        ({"name": ["Ada"], "email": "ada@example.com"}, "ada@example.com"),
        ({"name": " Ada\n\u202eLovelace\x00 "}, "AdaLovelace"),
        ({"name": "x" * 300}, "x" * 200),
        ({"name": "\x00"}, "7"),
        ({"sub": "\x00a\u202e"}, "a"),
    ],
)
def test_people_have_names(claims: dict[str, object], name: str) -> None:
    person = read_person(ISSUER, {"sub": "7", "groups": "admins", **claims}, "groups", ADMIN)
    assert person.actor.name == name


@pytest.mark.parametrize("role", Role)
def test_one_role_is_itself(role: Role) -> None:
    assert find_role(unite_roles([role])) is role
    assert unite_roles([role]) == ROLES[role]


def test_roles_unite() -> None:
    assert unite_roles(list(Role)) == {Scope.ADMIN}
    assert unite_roles([Role.VIEWER, Role.AUTHOR]) == {Scope.AUTHOR}
    assert unite_roles([Role.OPERATOR, Role.APPROVER]) == {Scope.OPERATE, Scope.PEOPLE, Scope.APPROVE}
