"""Shapes on the earth, and whether a point lies in them.

The edges of a polygon are straight lines in degrees, as GeoJSON defines them (RFC 7946, 3.1.1), so the tests of Shapely
on its positions are exact, and no projection is needed. Circles are measured along the sphere.
"""

import re
from collections.abc import Sequence
from functools import cached_property
from math import asin, cos, degrees, radians, sin, sqrt
from typing import Any, Final, Literal

from msgspec import Struct

EARTH_RADIUS: Final = 6_371_008.8
_FAULT: Final = re.compile(r"(?P<reason>.+)\[(?P<x>\S+) (?P<y>\S+)\]")

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


class Polygons(Struct, frozen=True, tag="polygons", dict=True):
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
        from shapely import intersects_xy

        if any(intersects_xy(shape, point.longitude, point.latitude) for shape in self._shapes):
            return True
        return slack > 1.0 and any(
            _measure_to_ring(rings[0], point) <= (slack - 1.0) * _size(rings[0]) for rings in self.polygons
        )

    @cached_property
    def _shapes(self) -> list[Any]:
        from shapely import Polygon, prepare

        shapes = [Polygon(rings[0], rings[1:]) for rings in self.polygons]
        for shape in shapes:
            # An index of its edges.
            prepare(shape)
        return shapes


Shape = Circle | Polygons


def measure(one: Point, other: Point) -> float:
    """Return the distance of two points in metres."""
    south, north = radians(one.latitude), radians(other.latitude)
    half = sin((north - south) / 2) ** 2
    half += cos(south) * cos(north) * sin(radians(other.longitude - one.longitude) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(min(1.0, sqrt(half)))


class PolygonFault(Struct, frozen=True):
    """The fault of a polygon, and where: a hole outside of it, or edges that meet."""

    kind: Literal["hole", "crossing"]
    at: tuple[float, float]


def find_fault(rings: Sequence[Ring]) -> PolygonFault | None:
    """Return the fault of an outer ring with its holes, by the rules of the OGC."""
    from shapely import Polygon, is_valid_reason

    # Such as `Self-intersection[9.5 53.5]`.
    found = _FAULT.fullmatch(is_valid_reason(Polygon(rings[0], rings[1:])))
    if found is None:
        return None
    kind: Literal["hole", "crossing"] = "hole" if found["reason"].startswith("Hole") else "crossing"
    return PolygonFault(kind, (float(found["x"]), float(found["y"])))


def _size(ring: Ring) -> float:
    """Return the radius in metres of a circle as wide as the bounds of a ring."""
    longitudes, latitudes = zip(*ring, strict=True)
    corner = Point(min(latitudes), min(longitudes))
    return measure(corner, Point(max(latitudes), max(longitudes))) / 2


def _measure_to_ring(ring: Ring, point: Point) -> float:
    """Return the distance in metres to the nearest edge, on a plane around the point."""
    from shapely import LinearRing, distance
    from shapely import Point as PlanePoint

    height = radians(1) * EARTH_RADIUS
    width = height * cos(radians(point.latitude))
    near = [((x - point.longitude) * width, (y - point.latitude) * height) for x, y in ring]
    return float(distance(LinearRing(near), PlanePoint(0, 0)))
