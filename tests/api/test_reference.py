"""What the API says of itself holds: every code is explained, and docs/errors.md says the same."""

import re
from pathlib import Path

import httpx
import pytest

from domain import errors
from domain.errors import SojournError, every_error

PAGE = (Path(__file__).parents[2] / "docs" / "errors.md").read_text()


async def test_the_front_page_leads_on(anyone: httpx.AsyncClient) -> None:
    front = (await anyone.get("/")).json()
    for path in (front["documentation"], front["openapi"], front["problems"], front["readiness"]):
        assert (await anyone.get(path)).status_code == 200


async def test_the_type_of_a_problem_explains_it(anyone: httpx.AsyncClient) -> None:
    problem = (await anyone.get("/v1/campaigns")).json()
    explained = await anyone.get(problem["type"])
    assert explained.status_code == 200
    assert {name: explained.json()[name] for name in ("type", "title", "status", "code")} == {
        name: problem[name] for name in ("type", "title", "status", "code")
    }
    assert (await anyone.get("/problems/none")).json()["code"] == "not_found"


async def test_all_codes_are_listed(anyone: httpx.AsyncClient) -> None:
    listed = (await anyone.get("/problems")).json()["problems"]
    assert [each["code"] for each in listed] == [error.code for error in every_error()]


def test_every_error_has_a_code_of_its_own_and_stands_in_the_tree() -> None:
    tree = errors.__doc__ or ""
    elsewhere = [child for error in every_error() for child in error.__subclasses__() if child not in every_error()]
    assert all(child.__module__.startswith("cli.") for child in elsewhere), elsewhere
    codes = [error.code for error in every_error()]
    assert len(codes) == len(set(codes))
    for error in every_error():
        assert error is SojournError or re.search(rf"── {error.__name__} +{error.status}  ", tree), error
        assert error is SojournError or error.meaning != SojournError.meaning, error


@pytest.mark.parametrize("error", list(every_error()), ids=lambda error: error.code)
def test_the_page_says_what_the_tree_says(error: type[SojournError]) -> None:
    assert f"| `{error.code}` | {error.status} | {error.meaning} | {error.remedy} |" in PAGE


def test_the_page_names_no_other_code() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == {error.code for error in every_error()}
