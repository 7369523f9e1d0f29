"""A path below a person is not taken for a person whose id ends so."""

import re

from fastapi.routing import APIRoute

from api.app import create_app
from api.user_paths import PARTS, WHOLE_PERSON
from tests.api.fakes import SETTINGS

BELOW = "/v1/users/{user_id"


def test_every_part_of_a_person_is_no_person() -> None:
    routes = [route for route in create_app(SETTINGS).routes if isinstance(route, APIRoute)]
    of_people = {route.path.removeprefix("/v1/users") for route in routes if route.path.startswith(BELOW)}
    parts = [path.partition("}/")[2] for path in of_people - {WHOLE_PERSON}]
    assert parts
    assert [part for part in parts if not any(re.fullmatch(known, fill(part)) for known in PARTS)] == []


def fill(part: str) -> str:
    return re.sub(r"\{.*?\}", "x", part)
