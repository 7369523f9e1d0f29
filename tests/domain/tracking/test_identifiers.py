"""Ids that are no ids: each of them would be one person made of all who are signed out."""

from typing import Any

import pytest

from domain.tracking.identifiers import DEFAULT_PLACEHOLDERS, Placeholders
from tests.domain.tracking.calls import decoded_with, of_items

ZERO = "00000000-0000-0000-0000-000000000000"
PLACEHOLDERS: list[Any] = [
    *("undefined", "null", "NaN", "None", "[object Object]", "true", "false", "0", "anonymous", "guest"),
    *("unknown", "test", "not_authenticated", "nil", "<nil>", "(null)", "-1", -1, " Test "),
    *("Undefined", "NULL", "nan", "none", "[Object object]", "TRUE", "False", "Anonymous", "GUEST"),
    *("", " ", "\t\n", "\u00a0", "\ufeff", " undefined ", "null\n", ZERO, ZERO.replace("-", ""), f" {ZERO}"),
    *(0, 0.0, -0.0, True, False),
]
IDS: list[tuple[Any, str]] = [
    *(("u-1", "u-1"), ("00", "00"), (1, "1"), (42.0, "42"), ("-2", "-2"), ("guest-7", "guest-7")),
    *(("nullable", "nullable"), ("user undefined", "user undefined"), (ZERO[:-1] + "1", ZERO[:-1] + "1")),
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
@pytest.mark.parametrize("field", ["userId", "anonymousId", "previousId", "groupId"])
def test_an_id_that_is_none_counts_as_none(field: str, text: Any) -> None:
    ids = {"userId": "u", "anonymousId": "a", "previousId": "p", "groupId": "g"} | {field: text}
    type = {"previousId": "alias", "groupId": "group"}.get(field, "page")
    result = of_items({"type": type, **ids})
    if field in ("userId", "anonymousId"):
        [event] = result.events
        kept = {"userId": event.user_id, "anonymousId": event.anonymous_id}
        assert kept == {**{"userId": "u", "anonymousId": "a"}, field: None}
    else:
        assert field in result.rejects[0].error


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_a_call_without_any_id_is_refused_with_the_reason(text: Any) -> None:
    calls = [{"type": "track", "event": "E", "userId": text}, {"type": "identify", "userId": text, "anonymousId": text}]
    result = of_items(*calls, {"type": "alias", "userId": text, "previousId": "p"})
    assert result.events == []
    for reject in result.rejects:
        assert "userId" in reject.error
        assert "stands for no id" in reject.error or text == ""


@pytest.mark.parametrize(("text", "expected"), IDS)
def test_an_id_that_only_looks_like_one_is_taken(text: Any, expected: str) -> None:
    assert [event.user_id for event in of_items({"type": "page", "userId": text}).events] == [expected]


def test_a_message_id_that_is_none_makes_no_call_vanish() -> None:
    page = {"type": "page", "userId": "u", "messageId": "undefined"}
    assert len(of_items(page, page).events) == 2


def test_a_deployment_has_its_own_list() -> None:
    calls = [{"type": "page", "userId": text} for text in ("nobody", "guest", " NOBODY", "")]
    result = decoded_with(Placeholders(["Nobody"]), *calls)
    assert [event.user_id for event in result.events] == ["guest"]
    assert "guest" in DEFAULT_PLACEHOLDERS


def test_a_refused_call_is_of_the_person_that_the_deployment_would_know() -> None:
    """Whose list may lack a text of the standard one, and may have others."""
    calls = [{"type": "?", "userId": "Nobody", "anonymousId": "a1"}, {"type": "?", "userId": "guest"}]
    rejects = decoded_with(Placeholders(["Nobody"]), *calls).rejects
    assert [(one.user_id, one.anonymous_id) for one in rejects] == [(None, "a1"), ("guest", None)]
    rejects = of_items(*calls).rejects
    assert [(one.user_id, one.anonymous_id) for one in rejects] == [("Nobody", "a1"), (None, None)]
