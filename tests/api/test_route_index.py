"""The index of routes finds what the framework finds; and no request takes a thread on its way."""

import inspect
from collections.abc import Iterator
from functools import cache

import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match

from api.app import create_app
from api.route_index import RouteIndex
from tests.api.fakes import SETTINGS

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
ODD = (
    "",
    "/",
    "//",
    "//v1/users/a",
    "/v1",
    "/v1/",
    "/v1/users",
    "/v1/users/a/b/c",
    "/v1/users/a/timeline",
    "/v1/users//timeline",
    "/v1/nothing",
    "/nothing",
    "/c/",
    "/sojourn-0123.js",
    "/sojourn.js",
    "/openapi.json",
    "/docs",
    "/{token}",
    "/v1/{kind}",
)


@cache
def application() -> FastAPI:
    return create_app(SETTINGS)


def find(routes: object, path: str, method: str) -> BaseRoute | None:
    assert isinstance(routes, list)
    scope = {"type": "http", "path": path, "method": method, "headers": []}
    return next((route for route in routes if route.matches(dict(scope))[0] is Match.FULL), None)


@pytest.mark.parametrize("value", ["1", "plan", "a/b", "019a9b3e-a000-7000-8000-000000000001", "email"])
def test_it_finds_the_first_route_of_every_path(value: str) -> None:
    app = application()
    index = app.router.middleware_stack
    assert isinstance(index, RouteIndex)
    formats = [route.path_format for route in app.routes if isinstance(route, APIRoute)]
    paths = {*ODD, *(fill(one, value) for one in formats)}
    for path in paths:
        for method in METHODS:
            assert find(index.select(path), path, method) is find(app.routes, path, method), (method, path)


def test_it_compares_few() -> None:
    index = application().router.middleware_stack
    assert isinstance(index, RouteIndex)
    assert max(len(index.select(path)) for path in ("/healthz", "/v1/batch", "/v1/client/messages", "/v1/users/a")) < 20


def test_no_request_takes_a_thread() -> None:
    routes = [route for route in application().routes if isinstance(route, APIRoute)]
    calls = [call for route in routes for call in calls_of(route.dependant)]
    assert [call for call in calls if not is_asynchronous(call)] == []
    assert [call for call in application().exception_handlers.values() if not is_asynchronous(call)] == []


def calls_of(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls_of(each)


def is_asynchronous(call: object) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004 -- of an object


def fill(path_format: str, value: str) -> str:
    return "/".join(value if part.startswith("{") else part for part in path_format.split("/"))
