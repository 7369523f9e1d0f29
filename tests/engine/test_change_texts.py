"""The timeline names changes of a person in words, without values of traits."""

from typing import Any

import pytest

from application.explain import change_text


@pytest.mark.parametrize(
    ("part", "changes", "text"),
    [
        ("traits", {"plan": {"before": None, "after": "pro"}}, "traits: plan"),
        ("claims", {"traits.email": {"before": None, "after": "a@example.com"}}, "claims: traits.email"),
        ("accounts", {"acme": {"before": None, "after": {"role": None}}}, "accounts: acme"),
        ("accounts", {"acme": {"before": {"role": None}, "after": {"role": "admin"}}}, "accounts: acme as admin"),
        ("accounts", {"acme": {"before": {"role": "admin"}, "after": None}}, "accounts: left acme"),
        ("consent", {"email": {"before": None, "after": False}}, "consent: email no"),
        ("consent", {"email": {"before": False, "after": None}}, "consent: email not said"),
        ("stage", {"stage": {"before": None, "after": "at-risk"}}, "stage: at-risk"),
        ("stage", {"stage": {"before": "at-risk", "after": None}}, "stage: none"),
    ],
)
def test_a_change_is_said_in_words(part: str, changes: dict[str, Any], text: str) -> None:
    assert change_text(part, changes) == text
