from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.tracking.event import CallType, Event
from domain.tracking.reactions import message_reacted_to

ID = UUID("0199f3a1-0000-7000-8000-00000000abcd")


def event(name: str | None, message_id: Any = str(ID), *, type: CallType = "track") -> Event:
    return Event(
        id=UUID(int=1),
        message_id="m",
        type=type,
        name=name,
        user_id="u",
        anonymous_id=None,
        properties={} if message_id is ... else {"message_id": message_id},
        context={},
        timestamp=datetime(2026, 11, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "name",
    ["Email Opened", "Email Link Clicked", "Push Notification Tapped", "Push Opened", "SMS Link Clicked", "Opened"],
)
def test_a_reaction_names_its_message(name: str) -> None:
    assert message_reacted_to(event(name)) == ID


@pytest.mark.parametrize(
    "name",
    [
        "Email Delivered",
        "Email Marked as Spam",
        "Push Notification Received",
        "Email Bounced",
        "Opened Email",
        "Email Reopened",
        "Email Opened ",
        "Email opened",
        "",
        None,
    ],
)
def test_other_events_are_no_reactions(name: str | None) -> None:
    assert message_reacted_to(event(name)) is None


@pytest.mark.parametrize("type", ["identify", "page", "screen", "group", "alias"])
def test_only_a_track_is_a_reaction(type: CallType) -> None:
    assert message_reacted_to(event("Email Opened", type=type)) is None


@pytest.mark.parametrize(
    "told",
    [..., None, "", "m-1", 7, 1.5, True, [], [str(ID)], {"id": str(ID)}, str(ID)[:-1], str(ID) + "0", "g" * 32, "\0"],
    ids=repr,
)
def test_what_is_no_id_of_ours_is_no_error(told: Any) -> None:
    assert message_reacted_to(event("Email Opened", told)) is None


@pytest.mark.parametrize("told", [str(ID).upper(), ID.hex, f"{{{ID}}}"])
def test_an_id_may_be_written_as_uuids_are(told: str) -> None:
    assert message_reacted_to(event("Email Opened", told)) == ID


@settings(derandomize=True, max_examples=90)
@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=50),
        st.uuids().map(str),
        st.text("0123456789abcdef-{}", max_size=40),
        st.lists(st.text(max_size=3), max_size=2),
    )
)
def test_nothing_that_a_client_says_raises(told: Any) -> None:
    found = message_reacted_to(event("Email Opened", told))
    assert found is None or UUID(told) == found
