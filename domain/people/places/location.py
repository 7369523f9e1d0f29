"""The location of a person, as calls report it.

Source: Segment's spec, common fields, `context.location`. Traits and `Location Updated` name the same two numbers.
"""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from domain.people.places.geometry import Point
from domain.tracking.event import Event

# Its name in the context of a profile.
LOCATION: Final = "location"
# Its part that Sojourn keeps for itself.
VISITS: Final = "visits"
LOCATION_UPDATED: Final = "Location Updated"


def read_point(event: Event) -> Point | None:
    """Return the point that an event reports, in its properties or its context."""
    stated: list[Any] = [event.context.get("location")]
    if event.type == "identify":
        stated = [event.properties, event.properties.get("address"), *stated]
    elif event.type == "track" and event.name == LOCATION_UPDATED:
        stated = [event.properties, *stated]
    return next((point for one in stated if (point := point_of(one)) is not None), None)


def point_of(given: Any) -> Point | None:
    """Read the two numbers; None at 0, 0, which clients report that know nothing."""
    if not isinstance(given, Mapping):
        return None
    latitude, longitude = _number(given.get("latitude")), _number(given.get("longitude"))
    if latitude is None or longitude is None or (latitude, longitude) == (0, 0):
        return None
    return Point(latitude, longitude) if abs(latitude) <= 90 and abs(longitude) <= 180 else None


def list_visited(location: Any) -> Mapping[str, Any]:
    """Return the visits of a stored location by place, each with its arrival."""
    return location.get(VISITS, {}) if isinstance(location, Mapping) else {}


def describe_location(location: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored location as it is shown, with the places at which the person is."""
    places = [key for key, (_, is_there) in list_visited(location).items() if is_there]
    return {**{name: value for name, value in location.items() if name != VISITS}, "places": places}


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    return float(value) if is_number else None
