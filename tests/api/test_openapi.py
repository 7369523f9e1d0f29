"""The OpenAPI document is whole: each route shows what it takes and gives, how it refuses, and which scope opens it."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
import pytest

from api.app import create_app
from api.dependencies import ID_KIND
from domain.campaign.schema import SLUG
from domain.errors import every_error
from tests.api.fakes import ADMIN_KEY, SETTINGS, WRITE_KEY

# The pages for recipients.
PAGES = ("/unsubscribe/", "/preferences/", "/confirm/", "/survey/", "/c/", "/o/", "/p/", "/sojourn")
PUBLIC = (
    "/v1/projects/",
    "/v1/session/",
    "/v1/callbacks/",
    *PAGES,
    "/v1/schemas/",
    "/v1/scripts",
    "/problems",
    "/healthz",
    "/readyz",
)
# The campaign, or the import, need not be there yet.
OF_NEW_THINGS = ("/plan", "/apply", "/imports/{import_id}", "post /v1/campaigns/{key}/graph")
# Questions that do not fit into an address.
ASKED_BY_POST = ("/plan", "/graph", "/preview", "/what-if")
# To log in takes no key beside that of the body.
LOGIN = ("/v1/session", "post")
# To log out is open to every session.
LOGOUT = ("/v1/session", "delete")
CODES = {error.code: error for error in every_error()}


@cache
def document() -> dict[str, Any]:
    """Return the document of the API, which takes seconds to write: not while each test process collects its tests."""
    return create_app(SETTINGS).openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the path, the method and the description of each operation."""
    for path, described in document()["paths"].items():
        for method, operation in described.items():
            yield path, method, operation


def is_public(path: str, method: str = "") -> bool:
    return path in ("/", "/v1/m") or path.startswith(PUBLIC) or (path, method) == LOGIN


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        # A body that may be left out, or one of several answers.
        return resolved(next(each for each in schema["anyOf"] if each.get("type") != "null"))
    return schema


def walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a schema."""
    if isinstance(schema, dict):
        yield schema
    for each in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from walk(each)


def examples(content: dict[str, Any]) -> list[Any]:
    if "example" in content:
        return [content["example"]]
    if "examples" in content:
        return [each["value"] for each in content["examples"].values()]
    schema = resolved(content.get("schema", {}))
    return [schema["example"]] if "example" in schema else []


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of the request, and of each answer that is not a refusal."""
    yield from (("request", each) for each in operation.get("requestBody", {}).get("content", {}).values())
    for status, response in operation["responses"].items():
        for media_type, each in response.get("content", {}).items():
            if media_type not in ("application/problem+json", "text/html"):
                yield status, each


def test_it_shows_what_it_takes_and_gives(subtests: pytest.Subtests) -> None:
    for path, method, operation in operations():
        with subtests.test(f"{method.upper()} {path}"):
            _shows_what_it_takes_and_gives(operation)


def _shows_what_it_takes_and_gives(operation: dict[str, Any]) -> None:
    for where, content in contents(operation):
        found = examples(content)
        assert found, f"no example of {where}: give its model `model_config = example({{…}})`"
        schema = {**content.get("schema", {}), "components": document()["components"]}
        for example in found:
            jsonschema_rs.validate(schema, example)


def test_it_shows_what_its_parameters_are(subtests: pytest.Subtests) -> None:
    for path, method, operation in operations():
        with subtests.test(f"{method.upper()} {path}"):
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    assert parameter["schema"]["examples"], parameter["name"]


def test_it_documents_its_refusals(subtests: pytest.Subtests) -> None:
    for path, method, operation in operations():
        with subtests.test(f"{method.upper()} {path}"):
            _documents_its_refusals(path, method, operation)


def _documents_its_refusals(path: str, method: str, operation: dict[str, Any]) -> None:
    if path.startswith(PAGES):
        return
    documented = set()
    for status, response in operation["responses"].items():
        for code, example in (
            response.get("content", {}).get("application/problem+json", {}).get("examples", {}).items()
        ):
            assert CODES[code].status == int(status)
            assert example["value"]["code"] == code
            documented.add(code)
    assert "internal" in documented
    if not is_public(path, method):
        assert {"unauthorized", "forbidden", "rate_limited", "unavailable", "invalid_request"} <= documented
    if "{" in path and not f"{method} {path}".endswith(OF_NEW_THINGS):
        assert "not_found" in documented, "add `responses=refusals(NotFoundError)`"
    assert "default" not in operation["responses"]


def test_it_says_its_scope(subtests: pytest.Subtests) -> None:
    for path, method, operation in operations():
        with subtests.test(f"{method.upper()} {path}"):
            _says_its_scope(path, method, operation)


def _says_its_scope(path: str, method: str, operation: dict[str, Any]) -> None:
    if is_public(path, method):
        assert "security" not in operation
        return
    assert operation["security"] == [{"Key": []}]
    scope = operation["x-scope"]
    assert f"Scope: `{scope}`." in operation["description"]
    if scope != "ingest":
        assert (scope == "read") <= (method == "get" or path.endswith(ASKED_BY_POST) or (path, method) == LOGOUT)


async def test_no_key_opens_it_without_its_scope(anyone: httpx.AsyncClient, subtests: pytest.Subtests) -> None:
    for path, method, operation in operations():
        with subtests.test(f"{method.upper()} {path}"):
            await _opens_to_no_other_scope(anyone, path, method, operation)


async def _opens_to_no_other_scope(
    anyone: httpx.AsyncClient, path: str, method: str, operation: dict[str, Any]
) -> None:
    if is_public(path, method):
        return
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter["schema"]["examples"][0]))
    answer = await anyone.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    key = ADMIN_KEY if operation["x-scope"] == "ingest" else WRITE_KEY
    answer = await anyone.request(method, path, headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["scope"] == operation["x-scope"]


def test_what_acts_takes_an_idempotency_key() -> None:
    for path, method, operation in operations():
        takes = any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
        scope = operation.get("x-scope")
        is_tracking = scope == "ingest" and not path.startswith(("/v1/mails", "/v1/users/"))
        acts = method != "get" and not is_public(path, method) and not is_tracking and scope != "client"
        assert takes == acts, (path, method)


def test_mappings_have_no_other_names_than_they_say() -> None:
    mappings = [each for each in walk(document()["components"]["schemas"]) if "patternProperties" in each]
    assert mappings
    assert all(each["additionalProperties"] is False for each in mappings)


def test_a_field_says_its_own_pattern() -> None:
    schemas = document()["components"]["schemas"]
    said = {name: schemas[name]["properties"] for name in ("NewMessageTemplate", "NewHold")}
    assert said["NewMessageTemplate"]["category"]["pattern"] == SLUG
    assert said["NewHold"]["kind"]["pattern"] == ID_KIND
