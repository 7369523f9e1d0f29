"""Tokens of tracked links: what we signed, and nothing else."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidLinkError
from domain.sending.tracking.tokens import PIXEL, TRAP, TrackedLink, read, sign

OLD, NEW = "an-old-secret-of-32-characters!!", "the-new-secret-of-32-characters!"
LINK = TrackedLink(UUID("0b9c3a52-6a0e-5b6e-9d57-3a2f6f6f6f60"), 7)


@pytest.mark.parametrize("number", [0, 7, 249, TRAP, PIXEL])
def test_a_token_names_a_link_of_a_message(number: int) -> None:
    link = TrackedLink(LINK.message_id, number)
    token = sign([NEW], link)
    assert len(token) == 34
    assert read([NEW], token) == link
    assert sign([NEW], link) == token


def test_a_token_of_the_secret_before_is_still_read() -> None:
    assert read([NEW, OLD], sign([OLD], LINK)) == LINK
    with pytest.raises(InvalidLinkError):
        read([NEW], sign([OLD], LINK))


def test_a_number_that_no_link_has_is_refused() -> None:
    with pytest.raises(InvalidLinkError):
        read([NEW], sign([NEW], TrackedLink(LINK.message_id, 251)))


@pytest.mark.parametrize("place", range(34))
def test_a_changed_token_is_refused(place: int) -> None:
    token = sign([NEW], LINK)
    changed = token[:place] + ("A" if token[place] != "A" else "Q") + token[place + 1 :]
    # The last character holds two bits of padding.
    with pytest.raises(InvalidLinkError):
        read([NEW], changed)


@given(token=st.text(max_size=60))
def test_any_text_is_refused(token: str) -> None:
    with pytest.raises(InvalidLinkError):
        read([NEW], token)
