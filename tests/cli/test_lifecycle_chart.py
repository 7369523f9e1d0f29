"""The flow of a life cycle as a picture."""

from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest

from cli.lifecycle_chart import draw_flow
from domain.people.stage_flow import format_stay


def parse(given: dict[str, Any]) -> Element:
    return fromstring(draw_flow(given))  # noqa: S314 -- drawn here


NAMESPACE = "{http://www.w3.org/2000/svg}"


def move(before: str, after: str, moves: int, *, is_designed: bool) -> dict[str, Any]:
    text = f"x % go {before} > {after}, drawn nowhere"
    return {
        "before": before,
        "after": after,
        "moves": moves,
        "people": moves,
        "share": 0.5,
        "median_days": 2.0,
        "is_designed": is_designed,
        "messages": [],
        "text": text,
    }


def flow(*moves: dict[str, Any]) -> dict[str, Any]:
    return {
        "begin": "2026-11-01T00:00:00Z",
        "end": "2026-12-01T00:00:00Z",
        "stages": [{"key": "reach", "name": "Visitors & <others>"}, {"key": "conversion", "name": "Buyers"}],
        "entered": {},
        "moves": list(moves),
        "designed_share": 0.9 if moves else None,
        "deviations": [one for one in moves if not one["is_designed"]],
        "unused": [],
    }


def paths(picture: Element) -> list[tuple[str, str]]:
    return [(path.findtext(f"{NAMESPACE}title", ""), path.get("fill", "")) for path in picture.iter(f"{NAMESPACE}path")]


def test_each_move_is_a_ribbon_and_hatched_if_it_is_not_designed() -> None:
    given = flow(move("reach", "conversion", 90, is_designed=True), move("conversion", "old", 10, is_designed=False))
    picture = parse(given)
    assert paths(picture) == [
        ("reach > conversion: 90 people, 50 %, after 2.0 d in the median; designed", "#0072b2"),
        ("conversion > old: 10 people, 50 %, after 2.0 d in the median; drawn nowhere", "url(#hatch-1)"),
    ]
    patterns = {pattern.get("id") for pattern in picture.iter(f"{NAMESPACE}pattern")}
    assert patterns == {"hatch-0", "hatch-1", "hatch-2"}
    texts = {text.text for text in picture.iter(f"{NAMESPACE}text")}
    assert {"Visitors & <others>", "Buyers", "old (removed)", "90 left", "10 came"} <= texts


def test_the_heights_of_ribbons_are_in_proportion_to_the_moves() -> None:
    given = flow(
        move("reach", "conversion", 300, is_designed=True), move("conversion", "reach", 100, is_designed=False)
    )
    rects = [rect for rect in parse(given).iter(f"{NAMESPACE}rect") if rect.get("rx")]
    heights = [float(rect.get("height", "0")) for rect in rects]
    assert heights == [390.0, 130.0, 130.0, 390.0]


def test_a_period_without_moves_is_drawn_as_well() -> None:
    picture = parse(flow())
    assert paths(picture) == []
    assert "No moves" in {text.text for text in picture.iter(f"{NAMESPACE}text")}


@pytest.mark.parametrize(
    ("days", "text"),
    [(2.04, "2.0 d"), (1, "1.0 d"), (0.5, "12 h"), (0.005, "7 min"), (30 / 86_400, "30 s"), (0, "0 s")],
)
def test_a_stay_is_written_by_its_unit(days: float, text: str) -> None:
    assert format_stay(days) == text
