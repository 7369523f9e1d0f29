"""Personal fields are marked, and masked answers have tags of their own."""

import asyncio
from collections.abc import Iterator
from typing import Any, get_args

import httpx
import psycopg
from fastapi import FastAPI
from pydantic import BaseModel

from api.app import create_app
from api.personal_fields import PeopleAnswer, PersonalField, holds_people
from api.routes import Route, find_scope
from application.remembered_rows import REMEMBERED_SECONDS
from domain.access import Scope, includes
from tests.api.fakes import SETTINGS, WRITE_KEY
from tests.api.live import client_of

# What callers without the scope `people` hold at most.
NARROW = frozenset({Scope.OPERATE, Scope.APPROVE})
# A field of such a name tells of a person, whatever its type.
NAMES = frozenset(
    [
        "address",
        "addresses",
        "body",
        "claims",
        "content",
        "context",
        "country",
        "data",
        "detail",
        "email",
        "error",
        "examples",
        "phone",
        "properties",
        "proof",
        "reads",
        "region",
        "saved",
        "summary",
        "text",
        "texts",
        "traits",
        "value",
        "values",
    ]
)
# These do not, although they are named so or may have any value.
OTHERS = {
    # What a document says, and how it differs.
    "Change.after",
    "Change.before",
    "Change.text",
    "Deviation.text",
    "Document.rules",
    "DocumentRuleChange.after",
    "DocumentRuleChange.before",
    "PlannedSegment.after",
    "PlannedSegment.before",
    "SegmentPart.text",
    # Words of authors, by which answers are counted.
    "AnswersOfValue.value",
    "MessageGroup.value",
    "NonSendGroup.value",
    "ResultChange.detail",
    # Numbers of people, for people.
    "FallbackLanguage.summary",
    "NumberEstimate.summary",
    "SegmentPreview.summary",
    # Rates and their bounds.
    "Bounds.value",
    # Stages, and whether the person has consented.
    "StatedValue.value",
    # Their names: the values beside them are those that several people had.
    "SeenEventView.properties",
    # What platforms and providers say of a request for many people, or to the address that was given.
    "AdUpload.detail",
    "SentTest.detail",
    # What was given by the caller: a preview of a person takes the scope `people`.
    "MessagePreview.content",
    # What the caller sent.
    "LeftOutPart.error",
    "LeftOutTrait.error",
    "RejectedItem.error",
    # Ids and numbers.
    "Approval.parameters",
    "FindingCount.examples",
    "Operation.parameters",
}


def routes() -> Iterator[Route]:
    """Yield the routes that a caller without the scope `people` may call."""
    for route in create_app(SETTINGS).routes:
        if isinstance(route, Route) and includes(NARROW, find_scope(route.dependant)):
            yield route


def answers(route: Route) -> Iterator[Any]:
    yield route.response_model
    yield from (response["model"] for response in route.responses.values() if "model" in response)


def models(found: Any, seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """The models of an answer, at any depth."""
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        for each in get_args(found):
            models(each, seen)
    elif found not in seen:
        seen.add(found)
        for field in found.model_fields.values():
            models(field.annotation, seen)
    return seen


def may_be_anything(found: Any) -> bool:
    return found is Any or any(may_be_anything(each) for each in get_args(found))


def unmarked(model: type[BaseModel]) -> Iterator[str]:
    """Yield the fields that look personal, and have neither a mark nor a marked field within."""
    for name, field in model.model_fields.items():
        is_marked = any(isinstance(each, PersonalField) for each in field.metadata) or holds_people(field.annotation)
        if not is_marked and (name in NAMES or may_be_anything(field.annotation)):
            yield f"{model.__name__}.{name}"


def test_fields_that_look_personal_are_marked() -> None:
    seen: set[type[BaseModel]] = set()
    for route in routes():
        for answer in answers(route):
            models(answer, seen)
    found = {name for model in seen for name in unmarked(model)}
    assert found - OTHERS == set(), "mark them by `Personal[…]`, or say here why they tell of no person"
    assert OTHERS - found == set(), "these are no longer there, or marked"


def test_answers_with_personal_fields_say_whether_they_are_masked() -> None:
    for route in routes():
        for answer in answers(route):
            if holds_people(answer):
                assert issubclass(answer, PeopleAnswer), f"{route.path}: make {answer.__name__} a PeopleAnswer"


async def key_of(app: FastAPI, operator: httpx.AsyncClient, *scopes: str) -> httpx.AsyncClient:
    made = await operator.post("/v1/keys", json={"name": "-".join(scopes), "scopes": scopes})
    return client_of(app, made.json()["token"])


async def known(app: FastAPI) -> None:
    call = {"userId": "u-1", "traits": {"city": "Rome"}}
    async with client_of(app, WRITE_KEY) as tracker:
        assert (await tracker.post("/v1/identify", json=call)).status_code == 200


async def test_a_masked_answer_is_another_one_for_caches(live: FastAPI, operator: httpx.AsyncClient) -> None:
    await known(live)
    reader = await key_of(live, operator, "read")
    shown, masked = await operator.get("/v1/users/u-1"), await reader.get("/v1/users/u-1")
    assert [one.json()["masked"] for one in (shown, masked)] == [False, True]
    assert [one.json()["traits"]["city"]["value"] for one in (shown, masked)] == ["Rome", None]
    assert {one.headers["vary"] for one in (shown, masked)} == {"Authorization, Cookie"}
    tags = [one.headers["etag"] for one in (shown, masked)]
    for client, statuses in ((operator, [304, 200]), (reader, [200, 304])):
        asked = [await client.get("/v1/users/u-1", headers={"If-None-Match": tag}) for tag in tags]
        assert [one.status_code for one in asked] == statuses
        assert {one.headers["vary"] for one in asked} == {"Authorization, Cookie"}


async def test_a_masked_tag_says_nothing_of_what_is_masked(
    live: FastAPI, operator: httpx.AsyncClient, database_url: str
) -> None:
    """Whoever knows all else would find a value by trying."""
    await known(live)
    reader = await key_of(live, operator, "read")
    before = [(await one.get("/v1/users/u-1")).headers["etag"] for one in (operator, reader)]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE profiles SET traits = replace(traits::text, 'Rome', 'Oslo')::jsonb")
    after = [(await one.get("/v1/users/u-1")).headers["etag"] for one in (operator, reader)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True]


async def test_a_masked_tag_names_the_revision(live: FastAPI, operator: httpx.AsyncClient) -> None:
    await known(live)
    support = await key_of(live, operator, "operate")
    tag = (await support.get("/v1/users/u-1")).headers["etag"]
    changes = {"traits": {"city": "Oslo"}}
    answer = await support.patch("/v1/users/u-1", json=changes, headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["masked"]) == (200, True)
    assert "Oslo" not in answer.text
    assert (await support.patch("/v1/users/u-1", json=changes, headers={"If-Match": tag})).status_code == 412


async def test_a_search_by_what_a_person_is_like_takes_the_scope(live: FastAPI, operator: httpx.AsyncClient) -> None:
    await known(live)
    reader = await key_of(live, operator, "read")
    for query in ("address=a@example.com", "trait=city&value=Rome", "trait=city", "value=Rome"):
        answer = await reader.get(f"/v1/users?{query}")
        assert (answer.status_code, answer.json()["scope"]) == (403, "people")
    assert (await reader.get("/v1/users?id=u-1")).json()["users"][0]["user_id"] == "u-1"


async def test_an_answer_that_was_kept_is_not_given_to_who_lost_the_scope(
    live: FastAPI, operator: httpx.AsyncClient, database_url: str
) -> None:
    """One person may have sessions of several rights."""
    await known(live)
    support = await key_of(live, operator, "operate", "people")
    headers = {"Idempotency-Key": "k"}
    body = {"traits": {"city": "Oslo"}}
    assert "Oslo" in (await support.patch("/v1/users/u-1", json=body, headers=headers)).text
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("UPDATE api_keys SET scopes = '{operate}' WHERE 'people' = ANY (scopes)")
    await asyncio.sleep(REMEMBERED_SECONDS)
    answer = await support.patch("/v1/users/u-1", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
