"""Positions of the stream are ordered, and cursors bring them back."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidCursorError
from domain.stream import STREAM_KINDS, StreamCursor, StreamKind, StreamPosition, decode_cursor, end_of

POSITIONS = st.builds(StreamPosition, st.integers(0, 2**63 - 1), st.sampled_from(STREAM_KINDS), st.uuids())
INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))


@given(st.integers(-(2**63), 2**63 - 1), POSITIONS, INSTANTS)
def test_a_cursor_comes_back(system_identifier: int, position: StreamPosition, given_at: datetime) -> None:
    cursor = StreamCursor(system_identifier, position, given_at)
    assert decode_cursor(cursor.encode()) == cursor


@pytest.mark.parametrize("text", ["", "x", "ü", "latest", "A" * 54, "A" * 56, "_" * 55])
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(text)


@given(POSITIONS, POSITIONS)
def test_what_follows_a_position_is_what_is_greater(position: StreamPosition, row: StreamPosition) -> None:
    xid, id = position.after_id(row.kind)
    assert (row.place > position.place) == (row.xid > xid or (row.xid == xid and row.id > id))


@pytest.mark.parametrize("kind", STREAM_KINDS)
def test_the_end_of_a_transaction_follows_all_of_it(kind: StreamKind) -> None:
    last = StreamPosition(7, kind, UUID(int=2**128 - 1))
    assert end_of(7).place >= last.place
    assert end_of(7).place < StreamPosition(8, "event", UUID(int=0)).place
