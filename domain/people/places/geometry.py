"""Shapes on the earth, and whether a point lies in them.

The edges of a polygon are straight lines in degrees, as GeoJSON defines them (RFC 7946, 3.1.1), so the even-odd rule on
its positions is exact, and no projection is needed. Circles are measured along the sphere.
"""

from collections.abc import Iterator, Sequence
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Final

from msgspec import Struct

EARTH_RADIUS: Final = 6_371_008.8

# The vertices of a ring by longitude and latitude, the first not repeated at the end.
Ring = Sequence[tuple[float, float]]


class Point(Struct, frozen=True):
    """A point by its latitude and longitude, in degrees."""

    latitude: float
    longitude: float


class Box(Struct, frozen=True):
    """The bounds of a shape; around a pole or the antimeridian with all longitudes."""

    south: float
    west: float
    north: float
    east: float

    def has(self, point: Point) -> bool:
        """Whether a point may lie in the shape."""
        return self.south <= point.latitude <= self.north and self.west <= point.longitude <= self.east


class Circle(Struct, frozen=True, tag="circle"):
    """All points within a radius in metres."""

    centre: Point
    radius: float

    def box(self) -> Box:
        """Return the bounds."""
        height = degrees(self.radius / EARTH_RADIUS)
        latitude, longitude = self.centre.latitude, self.centre.longitude
        south, north = latitude - height, latitude + height
        if max(abs(south), abs(north)) >= 90:
            return Box(max(south, -90.0), -180.0, min(north, 90.0), 180.0)
        width = degrees(asin(min(1.0, sin(radians(height)) / cos(radians(latitude)))))
        if abs(longitude) + width >= 180:
            return Box(south, -180.0, north, 180.0)
        return Box(south, longitude - width, north, longitude + width)

    def contains(self, point: Point, slack: float = 1.0) -> bool:
        """Whether a point lies in it, or within `slack` times its radius."""
        return measure(self.centre, point) <= self.radius * slack


class Polygons(Struct, frozen=True, tag="polygons"):
    """Polygons, each an outer ring and its holes."""

    polygons: Sequence[Sequence[Ring]]

    @property
    def centre(self) -> Point:
        """The middle of the bounds."""
        box = self.box()
        return Point((box.south + box.north) / 2, (box.west + box.east) / 2)

    def box(self) -> Box:
        """Return the bounds."""
        outer = [position for rings in self.polygons for position in rings[0]]
        longitudes, latitudes = zip(*outer, strict=True)
        return Box(min(latitudes), min(longitudes), max(latitudes), max(longitudes))

    def contains(self, point: Point, slack: float = 1.0) -> bool:
        """Whether a point lies in one of them, or within `slack` of its size around it."""
        if any(_is_in(rings, point) for rings in self.polygons):
            return True
        return slack > 1.0 and any(
            _measure_to_ring(rings[0], point) <= (slack - 1.0) * _size(rings[0]) for rings in self.polygons
        )


Shape = Circle | Polygons


def measure(one: Point, other: Point) -> float:
    """Return the distance of two points in metres."""
    south, north = radians(one.latitude), radians(other.latitude)
    half = sin((north - south) / 2) ** 2
    half += cos(south) * cos(north) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half)))


def find_crossing(rings: Sequence[Ring]) -> tuple[float, float] | None:
    """Return the start of an edge that meets another one; None if none does.

    Edges are compared in the order of their longitudes, and only with those that overlap.
    """
    edges = sorted(
        (min(start[0], end[0]), max(start[0], end[0]), number, place, start, end)
        for number, ring in enumerate(rings)
        for place, (start, end) in enumerate(_edges(ring))
    )
    active: list[tuple[float, float, int, int, tuple[float, float], tuple[float, float]]] = []
    for edge in edges:
        west, _, number, place, start, end = edge
        active = [other for other in active if other[1] >= west]
        for _, _, other_number, other_place, other_start, other_end in active:
            if number == other_number:
                apart = abs(place - other_place)
                if apart in (1, len(rings[number]) - 1):
                    if _turns_back(start, end, other_start, other_end):
                        return start
                    continue
            if _meet(start, end, other_start, other_end):
                return start
        active.append(edge)
    return None


def find_misplaced_hole(rings: Sequence[Ring]) -> tuple[float, float] | None:
    """Return a position of a ring that is not a hole of the first; None without one.

    A hole lies within the first ring and beside others. No edges meet, so one position says where a ring lies.
    """
    outer, *holes = rings
    for number, hole in enumerate(holes):
        at = Point(latitude=hole[0][1], longitude=hole[0][0])
        others = (other for place, other in enumerate(holes) if place != number)
        if not _is_in([outer], at) or any(_is_in([other], at) for other in others):
            return hole[0]
    return None


def _edges(ring: Ring) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
    return zip(ring, (*ring[1:], ring[0]), strict=True)


def _is_in(rings: Sequence[Ring], point: Point) -> bool:
    """Apply the even-odd rule to the edges of all rings, so that holes are outside."""
    x, y = point.longitude, point.latitude
    is_in = False
    for ring in rings:
        before_x, before_y = ring[-1]
        for here_x, here_y in ring:
            if (here_y > y) != (before_y > y) and x < (before_x - here_x) * (y - here_y) / (before_y - here_y) + here_x:
                is_in = not is_in
            before_x, before_y = here_x, here_y
    return is_in


def _side(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> float:
    return (end[0] - start[0]) * (point[1] - start[1]) - (end[1] - start[1]) * (point[0] - start[0])


def _is_between(start: tuple[float, float], end: tuple[float, float], point: tuple[float, float]) -> bool:
    """Whether a point on the line of an edge lies on the edge."""
    return min(start[0], end[0]) <= point[0] <= max(start[0], end[0]) and (
        min(start[1], end[1]) <= point[1] <= max(start[1], end[1])
    )


def _meet(
    start: tuple[float, float],
    end: tuple[float, float],
    other_start: tuple[float, float],
    other_end: tuple[float, float],
) -> bool:
    sides = (_side(start, end, other_start), _side(start, end, other_end))
    others = (_side(other_start, other_end, start), _side(other_start, other_end, end))
    if (sides[0] > 0) != (sides[1] > 0) and (others[0] > 0) != (others[1] > 0) and 0 not in (*sides, *others):
        return True
    return (
        (sides[0] == 0 and _is_between(start, end, other_start))
        or (sides[1] == 0 and _is_between(start, end, other_end))
        or (others[0] == 0 and _is_between(other_start, other_end, start))
        or (others[1] == 0 and _is_between(other_start, other_end, end))
    )


def _turns_back(
    start: tuple[float, float],
    end: tuple[float, float],
    other_start: tuple[float, float],
    other_end: tuple[float, float],
) -> bool:
    """Whether an edge runs back over its neighbour, with which it shares one vertex."""
    mine, other = {start, end}, {other_start, other_end}
    if len(shared := mine & other) != 1:
        return True
    [at], [tip], [other_tip] = shared, mine - other, other - mine
    along = (tip[0] - at[0]) * (other_tip[0] - at[0]) + (tip[1] - at[1]) * (other_tip[1] - at[1])
    return _side(at, tip, other_tip) == 0 and along > 0


def _size(ring: Ring) -> float:
    """Return the radius in metres of a circle as wide as the bounds of a ring."""
    longitudes, latitudes = zip(*ring, strict=True)
    corner = Point(min(latitudes), min(longitudes))
    return measure(corner, Point(max(latitudes), max(longitudes))) / 2


def _measure_to_ring(ring: Ring, point: Point) -> float:
    """Return the distance in metres to the nearest edge, on a plane around the point."""
    height = radians(1) * EARTH_RADIUS
    width = height * cos(radians(point.latitude))
    near = [((x - point.longitude) * width, (y - point.latitude) * height) for x, y in ring]
    return min(_measure_to_edge(start, end) for start, end in _edges(near))


def _measure_to_edge(start: tuple[float, float], end: tuple[float, float]) -> float:
    """Return the distance of an edge from the origin."""
    across, along = end[0] - start[0], end[1] - start[1]
    length = across**2 + along**2
    share = 0.0 if length == 0 else max(0.0, min(1.0, -(start[0] * across + start[1] * along) / length))
    return sqrt((start[0] + share * across) ** 2 + (start[1] + share * along) ** 2)
