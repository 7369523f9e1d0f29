"""One optional trait that cannot be read costs that trait alone."""

from typing import Any

import pytest

from domain.tracking.event import Reject
from tests.domain.tracking.calls import of_items

NAME = {"first_name": "Ada"}

LEFT_OUT: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"timezone": "GMT+2"}, {}, ['traits.timezone must be an IANA name such as "Europe/Berlin"; it is "GMT+2"']),
    ({"timezone": ""}, {}, ['traits.timezone must be an IANA name such as "Europe/Berlin"; it is ""']),
    ({"timezone": "Mars/Olympus"}, {}, ['it is "Mars/Olympus"']),
    ({"timezone": "../../etc/passwd"}, {}, ["traits.timezone must be an IANA name"]),
    ({"timezone": "x" * 5000}, {}, ["…"]),
    ({"timezone": 2}, {}, ["it is 2"]),
    ({"timezone": "factory"}, {}, ["traits.timezone must be an IANA name"]),
    ({"email": 123}, {}, ["traits.email must be a string or null; it is 123"]),
    ({"email": ["a@example.com"]}, {}, ["traits.email must be a string or null"]),
    ({"consent": True}, {}, ["traits.consent must be an object of channel and true or false"]),
    ({"consent": ["email"]}, {}, ["traits.consent must be an object"]),
    ({"consent": {"email": "maybe", "push": True}}, {"consent": {"push": True}}, ["traits.consent.email must be true"]),
    *(
        ({"consent": {name: False, "push": True}}, {"consent": {"push": True}}, ["must have the name of a channel"])
        for name in ("", "Email", "e-mail", "1", "e" * 41, "email\n", "é", "x" * 5_000)
    ),
    ({"consent": {"e" * 40: True, "in_app": False}}, {"consent": {"e" * 40: True, "in_app": False}}, []),
    (
        {"consent": {f"c{number}": True for number in range(1_000)}},
        {"consent": {f"c{number}": True for number in range(50)}},
        ["traits.consent may have 50 channels, and has 1,000"],
    ),
    ({"consent": {"email": None}}, {"consent": {}}, ["traits.consent.email must be true or false"]),
    ({"consent": {"email": 2, "push": []}}, {"consent": {}}, ["traits.consent.email", "traits.consent.push"]),
    (
        {"email": 1, "timezone": "GMT+2", "consent": 7},
        {},
        ["traits.email must be", "traits.timezone must be", "traits.consent must be"],
    ),
]
READ: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(({"consent": {"email": given}}, {"consent": {"email": True}}) for given in (1, 1.0, "yes", "true", "True", "1")),
    *(({"consent": {"email": given}}, {"consent": {"email": False}}) for given in (0, 0.0, "no", "FALSE", " No", "0")),
    ({"consent": []}, {"consent": {}}),
    ({"timezone": "europe/berlin"}, {"timezone": "Europe/Berlin"}),
    ({"timezone": "AMERICA/NEW_YORK"}, {"timezone": "America/New_York"}),
    ({"timezone": " utc "}, {"timezone": "UTC"}),
    ({"email": " ada@example.com\n"}, {"email": "ada@example.com"}),
    ({"email": "\ufeffada@example.com\u00a0"}, {"email": "ada@example.com"}),
    ({"email": None, "timezone": None, "consent": None}, {"email": None, "timezone": None, "consent": None}),
]


def identified(traits: dict[str, Any]) -> tuple[dict[str, Any], list[Reject]]:
    result = of_items({"type": "identify", "userId": "u", "messageId": "m", "traits": {**traits, **NAME}})
    [event] = result.events
    return event.properties, result.rejects


@pytest.mark.parametrize(("traits", "kept", "errors"), LEFT_OUT)
def test_what_cannot_be_read_is_left_out_and_the_rest_is_kept(
    traits: dict[str, Any], kept: dict[str, Any], errors: list[str]
) -> None:
    properties, rejects = identified(traits)
    assert properties == {**kept, **NAME}
    assert len(rejects) == len(errors)
    for reject, error in zip(rejects, errors, strict=True):
        assert error in reject.error
        assert (reject.index, reject.message_id, reject.user_id) == (0, "m", "u")
        assert reject.part is not None
        assert reject.error.startswith(reject.part)
        assert len(reject.body) <= 2_048


@pytest.mark.parametrize(("traits", "kept"), READ)
def test_what_is_meant_is_read(traits: dict[str, Any], kept: dict[str, Any]) -> None:
    assert identified(traits) == ({**kept, **NAME}, [])
