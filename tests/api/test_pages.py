"""Cursors name a place in a list, and nothing else is taken for one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from api.pages import cursor, cut, position
from domain.errors import InvalidCursorError

INSTANT = datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        (7, int),
        ((INSTANT, "k-1"), tuple[datetime, str]),
        (UUID("019a9b3e-7d2c-7c41-9d6e-2f1c3b5a7e90"), UUID),
        ("ü/?&", str),
    ],
)
def test_a_place_comes_back(place: Any, kind: Any) -> None:
    assert position(cursor(place), kind) == place
    assert cursor(place).replace("-", "").replace("_", "").isalnum()


def test_without_a_cursor_it_is_the_first_page() -> None:
    assert position(None, int) is None


@pytest.mark.parametrize("after", ["", "x", "ü", "!!!!", cursor("seven"), cursor(None), cursor([7])])
def test_what_is_no_cursor(after: str) -> None:
    with pytest.raises(InvalidCursorError):
        position(after, int)


def test_a_page_says_where_the_next_begins() -> None:
    assert cut([9, 8, 7], 2, lambda row: row) == ([9, 8], cursor(8))
    assert cut([9, 8], 2, lambda row: row) == ([9, 8], None)
    assert cut([], 2, lambda row: row) == ([], None)
