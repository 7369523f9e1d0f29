"""The timeline names changes of a person in words, with the values before and after."""

from typing import Any

import pytest

from application.change_text import MAX_VALUE_CHARACTERS, change_text

PROFILE = "019a0b6e-0000-7000-8000-000000000001"
LONG = "x" * (MAX_VALUE_CHARACTERS + 1)


@pytest.mark.parametrize(
    ("part", "changes", "text"),
    [
        ("traits", {"plan": {"before": None, "after": "pro"}}, "traits: plan pro"),
        ("traits", {"plan": {"before": "free", "after": "pro"}}, "traits: plan free → pro"),
        (
            "traits",
            {"n": {"before": 1, "after": None}, "a": {"before": None, "after": ["ü"]}},
            'traits: n 1 → none, a ["ü"]',
        ),
        ("traits", {"note": {"before": None, "after": LONG}}, f"traits: note {LONG[:-1]}…"),
        ("claims", {"traits.email": {"before": None, "after": "a@example.com"}}, "claims: traits.email a@example.com"),
        ("identity", {"merged": [PROFILE]}, f"identity: profile {PROFILE} was merged into this one"),
        ("identity", {"separated": [PROFILE]}, f"identity: profile {PROFILE} was separated again"),
        ("accounts", {"acme": {"before": None, "after": {"role": None}}}, "accounts: acme"),
        ("accounts", {"acme": {"before": {"role": None}, "after": {"role": "admin"}}}, "accounts: acme as admin"),
        ("accounts", {"acme": {"before": {"role": "admin"}, "after": None}}, "accounts: left acme"),
        ("consent", {"email": {"before": None, "after": False}}, "consent: email no"),
        ("consent", {"email": {"before": False, "after": None}}, "consent: email no → not said"),
        ("stage", {"stage": {"before": None, "after": "at-risk"}}, "stage: at-risk"),
        ("stage", {"stage": {"before": "at-risk", "after": None}}, "stage: at-risk → none"),
    ],
)
def test_a_change_is_said_in_words(part: str, changes: dict[str, Any], text: str) -> None:
    assert change_text(part, changes) == text
