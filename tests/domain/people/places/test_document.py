"""places.yaml: its rules, and its faults with their remedies."""

from typing import Any

import msgspec
import pytest

from domain.errors import InvalidDocumentError
from domain.people.places.deployed import PlaceRule
from domain.people.places.geometry import Circle, Point, Polygons
from domain.people.places_document import parse_places, to_document

PAGE = """
again_after: 1h
places:
  - {key: harbour-shop, name: Harbour shop, point: [53.5438, 9.9666], radius: 150, tags: [shop, hamburg]}
areas:
  - key: storm-12
    polygon: {type: Polygon, coordinates: [[[9, 53], [11, 53], [11, 54], [9, 54], [9, 53]]]}
"""


def test_a_document_is_read_and_written() -> None:
    shop, storm = parse_places(PAGE, "places.yaml")
    circle = Circle(Point(53.5438, 9.9666), 150)
    assert shop == PlaceRule("place", "harbour-shop", "Harbour shop", circle, ("shop", "hamburg"), 3_600)
    square = ((9.0, 53.0), (11.0, 53.0), (11.0, 54.0), (9.0, 54.0))
    assert storm == PlaceRule("area", "storm-12", "storm-12", Polygons(((square,),)), (), 3_600)
    assert to_document(shop)["point"] == [53.5438, 9.9666]
    # As the database keeps it.
    assert msgspec.convert(msgspec.to_builtins(storm), PlaceRule).shape.contains(Point(53.5, 10))


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(InvalidDocumentError) as refused:
        parse_places(text, "places.yaml")
    return [(one.line, one.message, one.suggestion) for one in refused.value.problems]


def area(coordinates: Any, kind: str = "Polygon") -> str:
    return f"areas:\n  - {{key: storm, polygon: {{type: {kind}, coordinates: {coordinates}}}}}\n"


BOX = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


def test_holes_beside_one_another_are_outside() -> None:
    holes = [[[1, 1], [3, 1], [3, 3], [1, 1]], [[5, 5], [8, 5], [8, 8], [5, 5]]]
    [storm] = parse_places(area([BOX, *holes]), "places.yaml")
    assert [storm.shape.contains(Point(y, x)) for x, y in ((2.5, 1.5), (7, 6), (4, 4))] == [False, False, True]


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("places: [{key: a, point: [139.7, 35.6], radius: 9}]", "the two are swapped", "Write `[35.6, 139.7]`"),
        ("places: [{key: a, point: [99, 200], radius: 9}]", "is not on the earth", "A latitude is from -90 to 90"),
        ("places: [{key: a, point: here, radius: 9}]", "is not a point", "latitude and longitude in degrees"),
        ("places: [{key: a, point: [1, 2]}]", "a circle has a `point` and a `radius`", "or `polygon`"),
        ("places: [{key: a}]", "it has no shape", "or `polygon`"),
        ("places: [{key: Café Süd, point: [1, 2], radius: 9}]", "is not a key of a place", "Did you mean `caf-s-d`?"),
        (
            "places: [{key: a, point: [1, 2], radius: 9}]\nareas: [{key: a, point: [1, 2], radius: 9}]",
            "`a` is used twice",
            "Write another key",
        ),
        (area([[[9, 53], [11, 53], [11, 54], [9, 54]]]), "a ring is not closed", "Repeat its first position"),
        (area([[[9, 53], [11, 54], [11, 53], [9, 54], [9, 53]]]), "edges of the polygon meet", "without crossing"),
        (area([[[9, 53], [11, 53], [9, 53]]]), "a ring has 3 positions", "at least four"),
        (area([[[53, 109], [53, 111], [54, 111], [53, 109]]]), "the latitude first", "the longitude first"),
        (area([[[179, 0], [-179, 0], [-179, 1], [179, 0]]]), "crosses the antimeridian", "two polygons"),
        (
            area([BOX, [[20, 20], [21, 20], [21, 21], [20, 20]]]),
            "the ring at [20.0, 20.0] is not a hole",
            "MultiPolygon",
        ),
        (
            area([BOX, [[1, 1], [9, 1], [9, 9], [1, 1]], [[5, 2], [8, 2], [8, 4], [5, 2]]]),
            "the ring at [5.0, 2.0] is not a hole",
            "holes within it",
        ),
        (area([[[9, 53]]], "Point"), "is not a polygon", "GeoJSON Polygon or MultiPolygon"),
        (area([[[n / 100, 0] for n in range(1_100)] + [[0, 0]]]), "1,100 vertices", "within 1,000"),
    ],
)
def test_a_fault_has_its_line_and_remedy(text: str, message: str, remedy: str) -> None:
    [(line, said, suggestion), *_] = faults(text)
    assert message in said
    assert remedy in suggestion
    assert line >= 1
