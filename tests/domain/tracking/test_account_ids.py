"""The `groupId` of a context is an id as any other, or is left out."""

from typing import Any

import pytest

from tests.domain.tracking.calls import of_items


def call(group_id: Any) -> dict[str, Any]:
    context = {"groupId": group_id, "locale": "de"}
    return {"type": "track", "userId": "u-1", "event": "Account Added User", "context": context}


@pytest.mark.parametrize(
    ("given", "kept"), [("acme", "acme"), (42, "42"), (42.0, "42"), ("a/b", "a/b"), ("Größe ✓", "Größe ✓")]
)
def test_an_id_is_kept_as_text(given: Any, kept: str) -> None:
    result = of_items(call(given))
    assert [event.context for event in result.events] == [{"groupId": kept, "locale": "de"}]
    assert not result.rejects


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("undefined", "stands for no id: leave it out"),
        ("null", "stands for no id: leave it out"),
        (True, "stands for no id: leave it out"),
        ("..", "must not be `.` or `..`"),
        ("a\nb", "control characters"),
        ("x" * 256, "255 characters"),
        (4.5, "must be a string or a whole number"),
        (["acme"], "must be a string or a whole number"),
    ],
)
def test_what_names_no_account_is_left_out_and_the_call_is_kept(given: Any, reason: str) -> None:
    result = of_items(call(given))
    assert [event.context for event in result.events] == [{"locale": "de"}]
    [reject] = result.rejects
    assert (reject.part, reason in reject.error) == ("context.groupId", True)
    assert not of_items(call("")).rejects
