"""The time zone and the language of a device are read as real clients write them, and only where they say one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.people.profile_state import ProfileState, Source, Statement, fold, merge
from domain.people.registers import stamp
from domain.people.surroundings import read_surroundings, recipient_locale

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENT = Source("event", "m1", NOON)


@pytest.mark.parametrize(
    ("context", "found"),
    [
        ({}, {}),
        ({"timezone": "Europe/Berlin", "locale": "de-DE"}, {"timezone": "Europe/Berlin", "locale": "de-DE"}),
        ({"timezone": "europe/berlin"}, {"timezone": "Europe/Berlin"}),
        ({"timezone": "undefined", "locale": "undefined"}, {}),
        ({"timezone": "", "locale": ""}, {}),
        ({"timezone": None, "locale": None}, {}),
        ({"timezone": 3, "locale": ["de"]}, {}),
        ({"timezone": "GMT+2"}, {}),
        ({"locale": "fr-"}, {"locale": "fr"}),
        ({"locale": "es-(null)"}, {"locale": "es"}),
        ({"locale": "pt_BR"}, {"locale": "pt_BR"}),
        ({"locale": "zh-Hans-CN"}, {"locale": "zh-Hans-CN"}),
        ({"locale": " sv "}, {"locale": "sv"}),
        ({"locale": "en-US,en;q=0.9"}, {"locale": "en-US"}),
        ({"locale": "C"}, {}),
        ({"locale": "POSIX"}, {}),
        ({"locale": "über"}, {}),
    ],
)
def test_what_a_context_says(context: dict[str, Any], found: dict[str, str]) -> None:
    assert read_surroundings(context) == found


@pytest.mark.parametrize(
    ("trait", "device", "locale"),
    [("de-AT", "fr", "de-AT"), (None, "fr", "fr"), ("", "fr", "fr"), (7, "fr", "fr"), (None, None, None)],
)
def test_a_trait_goes_before_the_language_of_the_device(trait: object, device: str | None, locale: str | None) -> None:
    assert recipient_locale({"locale": trait}, {} if device is None else {"locale": device}) == locale


def said(zone: str, **after: float) -> Statement:
    return Statement("context", "timezone", zone, stamp(NOON + timedelta(**after), "m1", EVENT.label), EVENT)


def test_the_later_word_holds() -> None:
    for statements in (
        [said("Asia/Tokyo"), said("Europe/Rome", hours=1)],
        [said("Europe/Rome", hours=1), said("Asia/Tokyo")],
    ):
        assert fold(ProfileState(), statements).state.context.values == {"timezone": "Europe/Rome"}


def test_the_same_word_is_written_once_a_day() -> None:
    """Mobile clients say it with every call."""
    state = fold(ProfileState(), [said("Asia/Tokyo")]).state
    assert not fold(state, [said("Asia/Tokyo", hours=23), said("Asia/Tokyo", hours=-5)]).is_changed
    assert fold(state, [said("Asia/Tokyo", hours=24)]).is_changed
    assert fold(state, [said("Europe/Rome", seconds=1)]).changes[0].after == "Europe/Rome"


def test_a_merge_keeps_the_later_word() -> None:
    one, other = (fold(ProfileState(), [word]).state for word in (said("Asia/Tokyo"), said("Europe/Rome", hours=1)))
    for target, source in ((one, other), (other, one)):
        merged = merge(target, source, Source("merge", "p2", NOON)).state
        assert merged.context.values == {"timezone": "Europe/Rome"}
