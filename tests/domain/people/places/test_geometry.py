"""Points in shapes, against an independent count and against the sphere."""

import random
from cmath import rect
from math import atan2, degrees, isclose, pi

import pytest

from domain.people.places.geometry import EARTH_RADIUS, Circle, Point, Polygons, find_fault, measure
from tests.generated import SEED

BERLIN, HAMBURG = Point(52.52, 13.405), Point(53.5511, 9.9937)
SQUARE = ((9.0, 53.0), (11.0, 53.0), (11.0, 54.0), (9.0, 54.0))
HOLE = ((9.9, 53.4), (10.1, 53.4), (10.1, 53.6), (9.9, 53.6))


def winding(ring: list[tuple[float, float]], point: Point) -> int:
    """How often a ring goes around a point: the sum of the angles, which is another way than the even-odd rule."""
    total, (x, y) = 0.0, (point.longitude, point.latitude)
    for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
        turn = atan2(by - y, bx - x) - atan2(ay - y, ax - x)
        total += turn - 2 * pi * round(turn / (2 * pi))
    return round(total / (2 * pi))


def star(draw: random.Random) -> list[tuple[float, float]]:
    """A ring around a middle, which never crosses itself."""
    x, y = draw.uniform(-170, 170), draw.uniform(-80, 80)
    number = draw.randint(3, 40)
    spokes = [rect(draw.uniform(0.1, 5), (each + draw.uniform(0, 0.4)) * 2 * pi / number) for each in range(number)]
    return [(x + one.real, y + one.imag) for one in spokes]


def test_a_polygon_has_the_points_that_its_ring_goes_around() -> None:
    draw = random.Random(SEED)
    inside = 0
    for _ in range(400):
        ring = star(draw)
        shape, box = Polygons(((tuple(ring),),)), Polygons(((tuple(ring),),)).box()
        for _ in range(25):
            point = Point(draw.uniform(box.south - 1, box.north + 1), draw.uniform(box.west - 1, box.east + 1))
            found = shape.contains(point)
            assert found == (winding(ring, point) != 0), (SEED, ring, point)
            assert not found or box.has(point)
            inside += found
    assert 1_000 < inside < 9_000


def test_a_hole_is_outside() -> None:
    shape = Polygons(((SQUARE, HOLE),))
    assert [shape.contains(point) for point in (HAMBURG, Point(53.2, 9.5), BERLIN)] == [False, True, False]


def test_a_distance_is_that_of_the_sphere() -> None:
    assert isclose(measure(HAMBURG, BERLIN), 255_300, rel_tol=0.005)
    assert isclose(measure(Point(0, 0), Point(0, 180)), pi * EARTH_RADIUS)
    assert measure(BERLIN, BERLIN) == 0


@pytest.mark.parametrize("centre", [HAMBURG, Point(-17.7, 179.99), Point(89.9, 20), Point(0.5, 0.5)])
def test_a_circle_has_what_is_near_and_its_box_has_it_too(centre: Point) -> None:
    draw, circle = random.Random(SEED), Circle(centre, 50_000)
    for _ in range(3_000):
        latitude = max(-90.0, min(90.0, centre.latitude + draw.uniform(-1, 1)))
        longitude = centre.longitude + draw.uniform(-2, 2)
        point = Point(latitude, longitude - 360 * (longitude > 180) + 360 * (longitude < -180))
        if circle.contains(point):
            assert circle.box().has(point), (SEED, point)
    edge = degrees(50_000 / EARTH_RADIUS)
    assert circle.contains(Point(centre.latitude - 0.99 * edge, centre.longitude))
    assert not circle.contains(Point(centre.latitude - 1.01 * edge, centre.longitude))
    assert circle.contains(Point(centre.latitude - 1.05 * edge, centre.longitude), 1.1)


def test_a_polygon_has_what_is_within_the_slack_around_it() -> None:
    shape = Polygons(((SQUARE,),))
    near, far = Point(54.05, 10), Point(54.5, 10)
    assert (shape.contains(near), shape.contains(near, 1.1), shape.contains(far, 1.1)) == (False, True, False)


@pytest.mark.parametrize(
    ("rings", "is_simple"),
    [
        ([SQUARE], True),
        ([SQUARE, HOLE], True),
        # A bow tie, a spike that runs back, a ring that touches itself, a hole that crosses the border.
        ([((0, 0), (2, 2), (2, 0), (0, 2))], False),
        ([((0, 0), (2, 0), (4, 0), (2, 0), (2, 2))], False),
        ([((0, 0), (4, 0), (4, 4), (2, 0), (0, 4))], False),
        ([SQUARE, ((10.5, 53.5), (12.0, 53.5), (12.0, 53.6))], False),
    ],
)
def test_edges_that_meet_are_found(rings: list[list[tuple[float, float]]], *, is_simple: bool) -> None:
    assert (find_fault(rings) is None) == is_simple


def test_rings_that_never_cross_are_simple() -> None:
    draw = random.Random(SEED)
    assert [ring for ring in (star(draw) for _ in range(200)) if find_fault([ring]) is not None] == []
