"""Ids of other systems: what is read of a call's context, and what is left out by name."""

from typing import Any

import pytest

from domain.tracking.external_ids import MAX_CALL_EXTERNAL_IDS
from tests.domain.tracking.calls import of_items


def call(*listed: Any) -> dict[str, Any]:
    return {"type": "identify", "userId": "u", "context": {"externalIds": list(listed)}}


def test_each_is_a_type_and_an_id() -> None:
    listed = [
        {"id": "c-1", "type": "crm_id", "collection": "users", "encoding": "none"},
        {"id": 42, "type": "ios.idfa"},
        {"id": "c-1", "type": "crm_id"},
    ]
    result = of_items(call(*listed), {"type": "page", "userId": "u"})
    assert [event.external_ids for event in result.events] == [(("crm_id", "c-1"), ("ios.idfa", "42")), ()]
    assert result.rejects == []


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        ("c-1", "must be an object"),
        ({"id": "c-1"}, "must be a name such as `crm_id`"),
        ({"id": "c-1", "type": "a b"}, "must be a name such as `crm_id`"),
        ({"id": "u-1", "type": "user_id"}, "send the id as userId"),
        ({"id": "a-1", "type": "anonymous"}, "send the id as anonymousId"),
        ({"id": ["c"], "type": "crm_id"}, "must be a string or a whole number"),
        ({"id": "c-1", "type": "crm_id", "collection": "accounts"}, "collection must be `users`"),
        ({"id": "c-1", "type": "crm_id", "encoding": "base64"}, "encoding must be `none`"),
        ({"id": "unknown", "type": "crm_id"}, "stands for no id: leave the entry out"),
        ({"type": "crm_id"}, "stands for no id: leave the entry out"),
        ({"id": "x" * 256, "type": "crm_id"}, "255 characters"),
    ],
)
def test_one_that_is_none_is_left_out_and_the_others_are_kept(one: Any, reason: str) -> None:
    result = of_items(call(one, {"id": "c-2", "type": "crm_id"}))
    assert [event.external_ids for event in result.events] == [(("crm_id", "c-2"),)]
    [reject] = result.rejects
    assert (reject.part, reason in reject.error) == ("context.externalIds[0]", True)


def test_what_is_no_list_or_too_long_is_left_out() -> None:
    many = [{"id": f"c-{number}", "type": "crm_id"} for number in range(MAX_CALL_EXTERNAL_IDS + 1)]
    result = of_items(call(*many), {"type": "page", "userId": "u", "context": {"externalIds": {"id": "c"}}})
    assert [len(event.external_ids) for event in result.events] == [MAX_CALL_EXTERNAL_IDS, 0]
    assert [reject.part for reject in result.rejects] == ["context.externalIds"] * 2


def test_a_call_needs_an_id_of_its_own() -> None:
    result = of_items({"type": "page", "context": {"externalIds": [{"id": "c-1", "type": "crm_id"}]}})
    assert "userId or anonymousId is needed" in result.rejects[0].error
