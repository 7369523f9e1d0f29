from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from domain.conditions.cel_data import MAX_DEPTH, MAX_ITEMS, Unusable, cel_data


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def test_json_passes_unchanged() -> None:
    value = {"a": [1, 2.5, None, True, "é"], "at": datetime(2026, 1, 1, tzinfo=UTC), "least": -(2**63)}
    assert cel_data(value) == value


def test_an_integer_beyond_64_bits_becomes_the_float_that_it_was() -> None:
    assert cel_data([2**63, 2**63 - 1, int(1e300)]) == [9.223372036854775808e18, 2**63 - 1, 1e300]
    assert isinstance(cel_data(2**63), float)
    with pytest.raises(Unusable):
        cel_data(10**400)


def test_what_is_no_text_for_cel_is_replaced() -> None:
    assert cel_data({"a\ud800": "b\0c", "é": "ü"}) == {"a\ufffd": "b\ufffdc", "é": "ü"}


def test_what_cannot_be_had_is_left_out_of_a_mapping() -> None:
    value = {"good": 1, 7: 2, "set": {1}, "long": [0] * (MAX_ITEMS + 1), "huge": 10**5_000, "at": datetime(2026, 1, 1)}
    assert cel_data(value) == {"good": 1}


def test_a_list_is_whole_or_left_out() -> None:
    assert cel_data({"list": [1, Decimal(1)], "good": [1]}) == {"good": [1]}


def test_nesting_is_bounded() -> None:
    assert cel_data(nested(MAX_DEPTH)) == nested(MAX_DEPTH)
    assert cel_data(nested(5_000)) == nested(MAX_DEPTH)


@pytest.mark.parametrize("value", [{1}, Decimal(1), object(), b"x", [0] * (MAX_ITEMS + 1), datetime(2026, 1, 1)])
def test_raises_where_nothing_is_left(value: Any) -> None:
    with pytest.raises(Unusable):
        cel_data(value)
