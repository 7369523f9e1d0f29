"""Values that a type allows and no program expects, in each place where a call takes one: none is answered with 5xx."""

import asyncio
import base64
import itertools
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import FastAPI

from tests.api.fakes import WRITE_KEY
from tests.api.live import client_of
from tests.api.test_openapi import contents, examples, is_public, operations
from tests.proofs import rounds

DIGITS = "9" * 200_000
# The time in which a stream begins.
STREAM_SECONDS = 0.2
# As JSON has them. A name of its own, where a failure is to say which it was.
IN_BODIES = {
    "nul": r'"a\u0000b"',
    "half an emoji": r'"\ud83d"',
    "first year": '"0001-01-01T00:00:00+14:00"',
    "year 1": '"0001-06-01T00:00:00Z"',
    "last year": '"9999-12-31T23:59:59-14:00"',
    "leap second": '"2026-12-31T23:59:60Z"',
    "digits": DIGITS,
    "digits in a text": f'"{DIGITS}"',
    "beyond bigint": str(2**64),
    "beyond float": "1e400",
    "not a number": "NaN",
    "tiny": "1e-400",
    "deep": "[" * 2_000 + "]" * 2_000,
    "null": "null",
    "true": "true",
    "empty": '""',
    "object": "{}",
    "list": "[]",
    "yaml digits": json.dumps(
        f"key: hello\nname: {DIGITS}\nentry: {{event: A, where: event.properties.x == {DIGITS}}}\n"
        f"steps: [{{id: a, delay: {DIGITS}d}}]\n"
    ),
    "yaml dates": json.dumps(
        "key: hello\nname: A\nentry: {event: A}\nsteps: [{id: a, delay: 1h}]\n"
        "schedule: {starts_at: 0001-01-01T00:00:00+14:00, ends_at: 9999-12-31T23:59:59-14:00}\n"
    ),
    "yaml caps": json.dumps(f"rules: [{{name: a, limit: {DIGITS}, per: {DIGITS}d}}]"),
}


def cursor(place: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


IN_TEXTS = {
    "nul": "a\0b",
    "digits": "9" * 5_000,
    "beyond bigint": str(2**64),
    "beyond int": str(2**31),
    "minus": "-1",
    "first year": "0001-01-01T00:00:00+14:00",
    "last year": "9999-12-31T23:59:59-14:00",
    "nan": "NaN",
    "surrogate": "\udcff",
    "empty": "",
    "dots": "../..",
    **{
        f"cursor {place!r}": cursor(place)
        for place in (
            "a\0b",
            2**31,
            2**63,
            2**70,
            -1,
            ["0001-01-01T00:00:00+14:00", "a"],
            ["9999-12-31T23:59:59-14:00", "a"],
            ["2026-01-01T00:00:00Z", "a\0b"],
            ["2026-01-01T00:00:00Z", "00000000-0000-0000-0000-000000000000"],
            ["2026-01-01T00:00:00Z", 2**70],
            {"at": "a\0b"},
            None,
        )
    },
}


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The way to each value within, and to the whole."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places(each, (*path, key))


def replaced(value: Any, path: tuple[str | int, ...], text: str) -> str:
    """The JSON of a value in which a text of JSON stands in one place."""
    mark = "\u2402mark\u2402"
    if not path:
        return text
    whole = json.loads(json.dumps(value))
    within = whole
    for key in path[:-1]:
        within = within[key]
    within[path[-1]] = mark
    return json.dumps(whole, ensure_ascii=False).replace(f'"{mark}"', text)


# An operation gets each value in every so many of its places: in one of them at least.
STRIDE = rounds(8, 1)


def is_chosen(place: int, value: int, places: int) -> bool:
    return (place + value) % min(STRIDE, places) == 0


def calls(path: str, method: str, operation: dict[str, Any]) -> Iterator[tuple[str, str, bytes | None, dict[str, str]]]:
    """What is hostile, the target, the body and the headers of each call."""
    parameters = operation.get("parameters", [])
    in_path = {
        each["name"]: str(each["schema"].get("examples", ["x"])[0]) for each in parameters if each["in"] == "path"
    }
    body = next((examples(content)[0] for where, content in contents(operation) if where == "request"), None)
    text = None if body is None else json.dumps(body).encode()

    def target(**other: str) -> str:
        found = path
        for name, value in {**in_path, **other}.items():
            found = found.replace(f"{{{name}}}", quote(value, safe="", errors="surrogateescape"))
        return found

    for (place, parameter), (number, (what, value)) in itertools.product(
        enumerate(parameters), enumerate(IN_TEXTS.items())
    ):
        name, where = parameter["name"], parameter["in"]
        if not is_chosen(place, number, len(parameters)):
            continue
        if where == "path" and value:
            yield f"{what} in {name}", target(**{name: value}), text, {}
        elif where == "query":
            query = f"{quote(name)}={quote(value, errors='surrogateescape')}"
            yield f"{what} in {name}", f"{target()}?{query}", text, {}
        elif where == "header" and value.isascii() and value.isprintable():
            yield f"{what} in {name}", target(), text, {name: value}
    if body is not None:
        ways = list(places(body))
        for (place, way), (number, (what, value)) in itertools.product(enumerate(ways), enumerate(IN_BODIES.items())):
            if is_chosen(place, number, len(ways)):
                yield f"{what} in {way}", target(), replaced(body, way, value).encode(), {}


def is_stream(operation: dict[str, Any]) -> bool:
    """Whether its answer goes on until the client leaves."""
    return "text/event-stream" in operation["responses"].get("200", {}).get("content", {})


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_value_is_answered_with_a_fault_of_ours(live: FastAPI, operator: httpx.AsyncClient) -> None:
    faults, count = [], 0
    async with client_of(live, WRITE_KEY) as tracker:
        for path, method, operation in operations():
            client = tracker if operation.get("x-scope") == "ingest" else operator
            for what, target, body, headers in calls(path, method, operation):
                count += 1
                try:
                    async with asyncio.timeout(STREAM_SECONDS if is_stream(operation) else None):
                        answer = await client.request(
                            method, target, content=body, headers={"Content-Type": "application/json", **headers}
                        )
                except TimeoutError:
                    # It was accepted, and has no end.
                    continue
                if answer.status_code >= 500 or (
                    answer.status_code >= 400
                    and not is_public(path)
                    and answer.headers["content-type"] != "application/problem+json"
                ):
                    faults.append(f"{method} {path}: {what}: {answer.status_code} {answer.text[:200]}")
    assert not faults, f"{len(faults)} of {count}:\n" + "\n".join(faults[:60])
    assert count > 1_000
