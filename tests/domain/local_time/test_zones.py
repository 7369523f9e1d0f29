from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones, reset_tzpath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.local_time.zones import find_zone, recipient_zone, zone_names

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def test_every_name_of_the_list_is_found() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Calcutta", "America/Argentina/Buenos_Aires", "EST5EDT"} <= zone_names()
    for name in zone_names():
        zone = find_zone(name)
        assert zone is not None
        assert zone.key == name
        assert find_zone(name) is zone


@pytest.mark.parametrize(
    "name",
    [
        None,
        True,
        2,
        0.5,
        b"UTC",
        ["Europe/Berlin"],
        {"name": "UTC"},
        "",
        " ",
        "Europe",
        "Europe/",
        "Europe/Berlin ",
        "europe/berlin",
        "Europe/Atlantis",
        "Europe/Berlin\0",
        "\0",
        "/usr/share/zoneinfo/UTC",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "./UTC",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "posixrules",
        "Factory",
        "zones",
        "+01:00",
        "UTC+1",
        "\ud800",
        "Europe/Berl\u0131n",
        "x" * 100_000,
    ],
)
def test_what_is_no_name_of_a_zone(name: object) -> None:
    assert find_zone(name) is None


@settings(derandomize=True)
@given(JSON)
def test_no_value_of_a_trait_does_harm(value: Any) -> None:
    assert find_zone(value) is None
    assert recipient_zone({"timezone": value}).key == "UTC"


@pytest.fixture
def _system_with_a_file_more(tmp_path: Path) -> Iterator[None]:
    """A folder of zones with one that is not IANA's, as Debian has."""
    (tmp_path / "localtime").write_bytes(files("tzdata").joinpath("zoneinfo", "UTC").read_bytes())
    reset_tzpath(to=[str(tmp_path)])
    yield
    reset_tzpath()


@pytest.mark.usefixtures("_system_with_a_file_more")
def test_a_file_of_the_system_is_no_zone() -> None:
    assert "localtime" in available_timezones()
    assert find_zone("localtime") is None


@pytest.mark.parametrize(
    ("traits", "fallbacks", "expected"),
    [
        ({"timezone": "Asia/Tokyo"}, ("Europe/Berlin",), "Asia/Tokyo"),
        ({"timezone": "Mars/Olympus"}, ("Europe/Berlin", "Asia/Tokyo"), "Europe/Berlin"),
        ({"timezone": None}, (None, "Asia/Tokyo"), "Asia/Tokyo"),
        ({}, ("nowhere", None, "Asia/Tokyo", "UTC"), "Asia/Tokyo"),
        ({"timezone": ["Asia/Tokyo"]}, (), "UTC"),
        ({"zone": "Asia/Tokyo"}, (None,), "UTC"),
    ],
)
def test_the_zone_of_a_recipient(traits: dict[str, Any], fallbacks: tuple[str | None, ...], expected: str) -> None:
    assert recipient_zone(traits, *fallbacks).key == expected
