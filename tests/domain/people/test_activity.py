"""Activity is what the person did."""

from typing import Any

import pytest

from domain.people.activity import is_activity
from tests.domain.people.computed.histories import event


@pytest.mark.parametrize(
    ("fields", "is_one"),
    [
        ({"name": "Article Read"}, True),
        ({"name": None, "type": "page"}, True),
        ({"name": "Email Opened", "type": "page"}, True),
        ({"name": None, "type": "identify"}, True),
        ({"name": "Article Read", "is_history": True}, True),
        ({"name": "Email Verified"}, True),
        ({"name": "Emails Delivered Today"}, True),
        ({"name": "Article Read", "source": "sojourn"}, False),
        ({"name": "Article Read", "source": "billing"}, False),
        ({"name": None, "type": "audience"}, False),
        ({"name": "Email Link Clicked"}, False),
        ({"name": "Push Notification Tapped"}, False),
        ({"name": "Email Marked as Spam"}, False),
        ({"name": "Banner Clicked", "properties": {"message_id": "0198c4de-0000-7000-8000-000000000001"}}, False),
        ({"name": "Banner Clicked", "properties": {"message_id": "b1"}}, True),
    ],
)
def test_activity_is_what_the_person_did(fields: dict[str, Any], is_one: bool) -> None:
    assert is_activity(event(**fields), ["billing"]) is is_one
