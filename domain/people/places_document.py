"""The document of places and areas: one for the whole deployment."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from domain.campaign.durations import format_duration
from domain.campaign.schema import DocumentModel, Given, Listed, Text, pattern_check, quote_value, refuse
from domain.campaign.schema_errors import validate
from domain.campaign.time_fields import Duration
from domain.document.yaml_source import Path, YamlSource, read
from domain.errors import InvalidDocumentError, Problem
from domain.people.places.deployed import PlaceRule
from domain.people.places.geometry import Circle, Point, Polygons, Ring, Shape, find_fault
from domain.people.places.keys import KEY_PATTERN, check_place_key

INITIAL_PLACES: Final = "places: []\nareas: []\n"
MAX_PLACES: Final = 1_000
MAX_AREAS: Final = 100
MAX_VERTICES: Final = 1_000
MAX_TAGS: Final = 20
# A circle is a part of the earth, not most of it.
MAX_RADIUS: Final = 2_000_000
_AGAIN_AFTER: Final = 1_800

_POINT_FORM: Final = "Write latitude and longitude in degrees, as in `[53.54, 9.97]`"
_RING_FORM: Final = "Write positions as `[longitude, latitude]`, the first one again at the end, as GeoJSON has them"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _read_point(value: Any) -> Any:
    if not (
        isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2 and all(map(_is_number, value))
    ):
        refuse(f"{quote_value(value)} is not a point", _POINT_FORM)
    latitude, longitude = value
    if abs(latitude) > 90 and abs(longitude) <= 90 and abs(latitude) <= 180:
        refuse(
            f"{latitude} is not a latitude: the two are swapped",
            f"Write `[{longitude}, {latitude}]`, the latitude first",
        )
    if abs(latitude) > 90 or abs(longitude) > 180:
        refuse(
            f"{quote_value(value)} is not on the earth", "A latitude is from -90 to 90, a longitude from -180 to 180"
        )
    return Point(float(latitude), float(longitude))


_POINT_SCHEMA: Final = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
PointField = Annotated[Any, BeforeValidator(_read_point), Field(json_schema_extra=_POINT_SCHEMA)]


def _read_polygons(value: Any) -> Any:
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind not in ("Polygon", "MultiPolygon"):
        refuse(
            f"{quote_value(kind or value)} is not a polygon", "Write the geometry of a GeoJSON Polygon or MultiPolygon"
        )
    given = value.get("coordinates")
    polygons = [given] if kind == "Polygon" else given
    if not _is_list(polygons) or not polygons or not all(_is_list(one) and one for one in polygons):
        refuse("the polygon has no coordinates", _RING_FORM)
    read_polygons = [[_read_ring(ring) for ring in rings] for rings in polygons]
    vertices = sum(len(ring) for rings in read_polygons for ring in rings)
    if vertices > MAX_VERTICES:
        refuse(f"the polygon has {vertices:,} vertices", f"Keep it within {MAX_VERTICES:,}: simplify it")
    for rings in read_polygons:
        fault = find_fault(rings)
        if fault is not None and fault.kind == "crossing":
            refuse(
                f"the edges of the polygon meet near {list(fault.at)}",
                "Draw each ring around once, without crossing itself or another",
            )
        if fault is not None:
            refuse(
                f"the ring at {list(fault.at)} is not a hole of the polygon",
                "A polygon is an outer ring, and holes within it; write others as polygons of a MultiPolygon",
            )
    return Polygons(tuple(tuple(tuple(ring) for ring in rings) for rings in read_polygons))


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _read_ring(given: Any) -> Ring:
    if not _is_list(given) or not all(_is_list(one) and len(one) >= 2 and all(map(_is_number, one)) for one in given):
        refuse("a ring of the polygon is not a list of positions", _RING_FORM)
    ring = [(float(one[0]), float(one[1])) for one in given]
    if any(abs(latitude) > 90 for _, latitude in ring) and all(abs(longitude) <= 90 for longitude, _ in ring):
        refuse("the positions have the latitude first", "GeoJSON has the longitude first: `[9.97, 53.54]`")
    if any(abs(longitude) > 180 or abs(latitude) > 90 for longitude, latitude in ring):
        refuse("a position is not on the earth", "A longitude is from -180 to 180, a latitude from -90 to 90")
    if len(ring) < 4:
        refuse(f"a ring has {len(ring)} positions", "It takes at least four, the first one again at the end")
    if ring[0] != ring[-1]:
        refuse("a ring is not closed", f"Repeat its first position at the end: `{list(ring[0])}`")
    if any(abs(one[0] - other[0]) > 180 for one, other in pairwise(ring)):
        refuse(
            "the polygon crosses the antimeridian", "Cut it there into two polygons of a MultiPolygon (RFC 7946, 3.1.9)"
        )
    # Exports repeat positions, which bound nothing.
    return [one for one, other in pairwise(ring) if one != other]


PlaceKey = Annotated[Text, AfterValidator(check_place_key), pattern_check(KEY_PATTERN, "harbour-shop")]
Radius = Annotated[float, Field(gt=0, le=MAX_RADIUS)]
_POLYGON_SCHEMA: Final = {"type": "object", "required": ["type", "coordinates"]}
PolygonField = Annotated[Any, BeforeValidator(_read_polygons), Field(json_schema_extra=_POLYGON_SCHEMA)]


class AreaModel(DocumentModel):
    """An area: a polygon, or a circle around a point."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["polygon"]}, {"required": ["point", "radius"]}]}
    )

    key: PlaceKey = Field(description="its key, by which conditions name it")
    name: Text | None = Field(None, description="its name; the key if left out")
    point: Annotated[PointField | None, Given] = Field(None, description="the centre of a circle: `[53.54, 9.97]`")
    radius: Annotated[Radius | None, Given] = Field(None, description="its radius in metres")
    polygon: Annotated[PolygonField | None, Given] = Field(
        None, description="the geometry of a GeoJSON Polygon or MultiPolygon"
    )


class PlaceModel(AreaModel):
    """A place, at which people arrive."""

    tags: Annotated[tuple[PlaceKey, ...], Listed, Field(max_length=MAX_TAGS)] = Field(
        (), description="by which rules name many places"
    )


class PlacesDocument(DocumentModel):
    """The places and areas of the deployment."""

    again_after: Duration = Field(_AGAIN_AFTER, description="how soon a person may arrive at the same place again")
    places: Annotated[tuple[PlaceModel, ...], Listed, Field(max_length=MAX_PLACES)] = Field(
        (), description="where people arrive"
    )
    areas: Annotated[tuple[AreaModel, ...], Listed, Field(max_length=MAX_AREAS)] = Field(
        (), description='which conditions ask for: `in_area(profile, "storm-12")`'
    )


def parse_places(text: str, file: str) -> tuple[PlaceRule, ...]:
    """Return the rules of a document. Raises InvalidDocumentError with all problems."""
    source = read(text, file)
    document, problems = validate(PlacesDocument, source)
    problems += source.problems
    if document is not None:
        problems += list(_find_faults(document, source))
    if document is None or problems:
        raise InvalidDocumentError(sorted(problems, key=lambda problem: problem.line))
    places = (_rule("place", one, document.again_after, one.tags) for one in document.places)
    return (*places, *(_rule("area", one, document.again_after) for one in document.areas))


def _rule(kind: Literal["place", "area"], model: AreaModel, again_after: int, tags: Sequence[str] = ()) -> PlaceRule:
    shape: Shape
    if model.polygon is not None:
        shape = model.polygon
    elif model.point is not None and model.radius is not None:
        shape = Circle(model.point, model.radius)
    else:
        raise ValueError(f"{model.key} has no shape")
    return PlaceRule(kind, model.key, model.name or model.key, shape, tuple(tags), again_after)


def _find_faults(document: PlacesDocument, source: YamlSource) -> Iterator[Problem]:
    """Find keys that are used twice, and shapes that are not one."""
    used: set[str] = set()
    for part, models in (("places", document.places), ("areas", document.areas)):
        for place, model in enumerate(models):
            path: Path = (part, place)
            if model.key in used:
                yield source.problem((*path, "key"), f"`{model.key}` is used twice", "Write another key")
            used.add(model.key)
            is_circle = (model.point is not None, model.radius is not None)
            if model.polygon is None and is_circle != (True, True):
                said = "it has no shape" if is_circle == (False, False) else "a circle has a `point` and a `radius`"
                yield source.problem(path, said, "Write `point` and `radius`, or `polygon`")
            elif model.polygon is not None and is_circle != (False, False):
                yield source.problem(path, "it has two shapes", "Write `point` and `radius`, or `polygon`")


def to_document(rule: PlaceRule) -> dict[str, Any]:
    """Return a rule as authors write it."""
    shape: dict[str, Any]
    match rule.shape:
        case Circle(centre=centre, radius=radius):
            shape = {"point": [centre.latitude, centre.longitude], "radius": radius}
        case Polygons(polygons=polygons):
            coordinates = [[[*ring, ring[0]] for ring in rings] for rings in polygons]
            shape = {"polygon": {"type": "MultiPolygon", "coordinates": coordinates}}
    more = {"tags": list(rule.tags), "again_after": format_duration(rule.again_after)} if rule.kind == "place" else {}
    return {"kind": rule.kind, "key": rule.key, "name": rule.name, **shape, **more}
