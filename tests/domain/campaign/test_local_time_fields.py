import pytest

from domain.campaign.local_time_fields import guess_clock
from tests.domain.campaign.documents import HEAD, problem


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("9:00", "09:00"),
        ("0900", "09:00"),
        ("900", "09:00"),
        ("9", "09:00"),
        ("9am", "09:00"),
        ("9 p.m.", "21:00"),
        ("12am", "00:00"),
        ("12pm", "12:00"),
        ("9:30 PM", "21:30"),
        ("09:00:00", "09:00"),
        ("17.30", "17:30"),
        ("17h30", "17:30"),
        ("13pm", None),
        ("24:00", None),
        ("9:75", None),
        ("7d", None),
        ("1h", None),
        ("noon", None),
    ],
)
def test_what_a_time_of_day_was_meant_to_be(written: str, meant: str | None) -> None:
    assert guess_clock(written) == meant


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Berln", "Europe/Berlin"),
        ("utc", "UTC"),
        ("GMT+1", None),
        ("+01:00", None),
        ("PST", None),
        ("Mars/Phobos", None),
    ],
)
def test_what_a_zone_was_meant_to_be(written: str, meant: str | None) -> None:
    found = problem(f"{HEAD}timezone: {written}\nsteps: [{{id: a, delay: 1h}}]\n")
    assert (found.path, found.message) == ("timezone", f"`{written}` is not a time zone")
    remedy = "Write an IANA name: `Europe/Berlin`, `UTC`"
    assert found.suggestion == (remedy if meant is None else f"Did you mean `{meant}`? {remedy}")


@pytest.mark.parametrize(
    ("window", "path", "message", "suggestion"),
    [
        ("{from: 9am, to: 21:00}", "from", "`9am` is not a time of day", 'Did you mean `"09:00"`?'),
        ("{from: '24:00', to: 21:00}", "from", "`24:00` is not a time of day", "from 00:00 to 23:59"),
        ("{from: 09:00, to: 2100}", "to", "`2100` is not a time of day", 'Did you mean `"21:00"`?'),
        ("{days: mon-wed}", "days", "`mon-wed` is not a list of weekdays", "Write `[mon, tue, wed]`"),
        ("{days: Monday}", "days", "`Monday` is not a list of weekdays", "Write `[mon]`"),
        ("{days: weekdays}", "days", "`weekdays` is not a list of weekdays", "Write `[mon, tue, wed, thu, fri]`"),
        ("{days: weekend}", "days", "`weekend` is not a list of weekdays", "Write `[sat, sun]`"),
        ("{days: always}", "days", "`always` is not a list of weekdays", "Write `[mon, tue]`"),
        ("{days: [Monday]}", "days", "`Monday` is not a weekday", "Did you mean `mon`?"),
        ("{days: [1]}", "days", "`1` is not a weekday", "Allowed: mon, tue"),
    ],
)
def test_mistaken_windows(window: str, path: str, message: str, suggestion: str) -> None:
    found = problem(f"{HEAD}send_window: {window}\nsteps: [{{id: a, delay: 1h}}]\n")
    assert (found.path, found.message) == (f"send_window.{path}", message)
    assert suggestion in found.suggestion
