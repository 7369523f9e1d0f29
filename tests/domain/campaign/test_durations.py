import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.campaign.durations import DurationError, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1_800), ("1s", 1), ("7d", 604_800), ("1w", 604_800), ("1h30m", 5_400), ("1w1d1h1m1s", 694_861), ("0m", 0)],
)
def test_reads_units_and_combinations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("30", "Add a unit: `30s`, `30m`, `30h` or `30d`"),
        ("30 M", "Did you mean `30m`?"),
        ("1H30M", "Did you mean `1h30m`?"),
        ("30m1h", "largest unit first"),
        ("1.5h", "Write a whole number"),
        ("-1h", "Write a whole number"),
        ("", "Write a whole number"),
        ("soon", "Write a whole number"),
        ("٣m", "Write a whole number"),
        ("1h\n", "Did you mean `1h`?"),
        ("1111111111s", "Write a whole number"),
        ("30 minutes", "Did you mean `30m`?"),
        ("2 days and 3 hrs", "Did you mean `2d3h`?"),
        ("1.5h", "Did you mean `1h30m`?"),
        ("30m1h", "Did you mean `1h30m`?"),
        ("1 month", "Did you mean `30d`?"),
        ("PT1H30M", "Did you mean `1h30m`?"),
        ("P1D", "Did you mean `1d`?"),
        ("1000 days", "Write a whole number"),
        ("3 fortnights", "Write a whole number"),
    ],
)
def test_says_what_would_be_right(text: str, suggestion: str) -> None:
    with pytest.raises(DurationError) as caught:
        parse_duration(text)
    assert suggestion in caught.value.suggestion


def test_days_are_the_largest_unit_written() -> None:
    assert format_duration(604_800) == "7d"
    assert format_duration(5_400) == "1h30m"
    assert format_duration(0) == "0s"


@given(st.integers(min_value=0, max_value=366 * 86_400))
def test_what_is_written_reads_back(seconds: int) -> None:
    assert parse_duration(format_duration(seconds)) == seconds
