"""The places and areas in force: who is in them, and who arrives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from math import floor
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from domain.epoch import to_microseconds
from domain.people.derived_events import ValueChange
from domain.people.places.geometry import Box, Point, Shape, measure
from domain.people.places.location import LOCATION, VISITS, list_visited, point_of
from domain.people.profile_state import PartChange, ProfileState, Statement
from domain.sending.holds import Hold
from domain.tracking.event import Trigger

ARRIVES: Final = "arrives"
# A person has left a place once they are this many radii away: a location near the border does not leave.
SLACK: Final = 1.1
# A location is stored again once it is so old, or so far from the one before.
REFRESH: Final = timedelta(minutes=5) // timedelta(microseconds=1)
MOVED_METRES: Final = 25.0
# A shape of more cells of a degree than this is compared with each location.
_MAX_CELLS: Final = 16


class PlaceRule(Struct, frozen=True):
    """A place or an area by its key. A place has tags.

    A person arrives at a place again after `again_after` seconds.
    """

    kind: Literal["place", "area"]
    key: str
    name: str
    shape: Shape
    tags: Sequence[str] = ()
    again_after: int = 1_800

    @property
    def names(self) -> Sequence[str]:
        """The names by which rules know it."""
        return (self.key, *self.tags)


class DeployedPlaces:
    """The places and areas of a deployment."""

    def __init__(self, rules: Iterable[PlaceRule] = ()) -> None:
        known = list(rules)
        self.areas = {rule.key: rule for rule in known if rule.kind == "area"}
        self.places = {rule.key: rule for rule in known if rule.kind == "place"}
        self._areas = _Index(self.areas.values())
        self._places = _Index(self.places.values())

    def find_areas(self, context: Mapping[str, Any]) -> list[str]:
        """Return the keys of the areas that a person's location is in, ordered."""
        if not self.areas or (point := point_of(context.get(LOCATION))) is None:
            return []
        return sorted(area.key for area in self._areas.find(point))

    def select_holds(self, holds: Sequence[Hold], context: Mapping[str, Any]) -> list[Hold]:
        """Return the holds without those of areas that a person's location is not in."""
        areas = self.find_areas(context)
        return [hold for hold in holds if hold.area is None or hold.area in areas]

    def locate(self, state: ProfileState, statements: Sequence[Statement]) -> list[Statement]:
        """Return statements with the visits of locations; leave out who stands still.

        A visit is the time of the arrival in microseconds, and whether the person is still there.
        """
        kept: list[Statement] = []
        known, said = state.context.values.get(LOCATION), state.context.stamps.get(LOCATION)
        for one in statements:
            if one.part != "context" or one.name != LOCATION or (said is not None and one.said < said):
                kept.append(one)
                continue
            point = point_of(one.value)
            if point is None:
                continue
            located = self._visit(known, point, to_microseconds(one.source.at))
            if said is None or not _is_standing(known, located, one.said.at - said.at):
                known, said = located, one.said
                kept.append(replace(one, value=located))
        return kept

    def _visit(self, known: Any, point: Point, at: int) -> dict[str, Any]:
        visits = list_visited(known)
        here = {place.key: place for place in self._places.find(point)}
        now: dict[str, list[Any]] = {}
        for key in sorted({*here, *visits}):
            place, visit = self.places.get(key), visits.get(key)
            if place is None:
                continue
            is_here = key in here or (visit is not None and visit[1] and place.shape.contains(point, SLACK))
            is_recent = visit is not None and at - visit[0] < place.again_after * 1_000_000
            if visit is not None and ((is_here and visit[1]) or is_recent):
                now[key] = [visit[0], is_here]
            elif is_here:
                now[key] = [at, True]
        located: dict[str, Any] = {"latitude": point.latitude, "longitude": point.longitude}
        return {**located, VISITS: now} if now else located

    def find_possible(self, statements: Iterable[Statement]) -> Iterator[ValueChange]:
        """Iterate over the arrivals that statements may make, by each name of the place."""
        if not self.places:
            return
        for one in statements:
            if one.part == "context" and one.name == LOCATION and (point := point_of(one.value)) is not None:
                for name in dict.fromkeys(name for place in self._places.find(point) for name in place.names):
                    yield ValueChange(Trigger(ARRIVES, name), None, None, one.source)

    def find_arrivals(self, changes: Iterable[PartChange]) -> Iterator[ValueChange]:
        """Iterate over the arrivals among changes, by each name of the place.

        A tag stands for the nearest of its places.
        """
        for change in changes:
            if change.part != "context" or change.name != LOCATION:
                continue
            point = point_of(change.after)
            if point is None:
                continue
            before, after = list_visited(change.before), list_visited(change.after)
            arrived = [key for key in after if key not in before or before[key][0] != after[key][0]]
            near = sorted((measure(self.places[key].shape.centre, point), key) for key in arrived if key in self.places)
            said: dict[str, ValueChange] = {}
            for distance, key in near:
                place = self.places[key]
                about = {"place": key, "name": place.name, "tags": list(place.tags), "distance": round(distance)}
                for name in place.names:
                    made = ValueChange(Trigger(ARRIVES, name), None, about, change.source, change.is_unverified)
                    said.setdefault(name, made)
            yield from said.values()


class _Index:
    """Rules by the cells of a degree that their bounds touch."""

    def __init__(self, rules: Iterable[PlaceRule]) -> None:
        self._large: list[tuple[Box, PlaceRule]] = []
        self._cells: dict[tuple[int, int], list[tuple[Box, PlaceRule]]] = {}
        for rule in rules:
            box = rule.shape.box()
            rows = range(floor(box.south), floor(box.north) + 1)
            columns = range(floor(box.west), floor(box.east) + 1)
            if len(rows) * len(columns) > _MAX_CELLS:
                self._large.append((box, rule))
                continue
            for row in rows:
                for column in columns:
                    self._cells.setdefault((row, column), []).append((box, rule))

    def find(self, point: Point) -> Iterator[PlaceRule]:
        """Iterate over the rules whose shape contains a point."""
        near = self._cells.get((floor(point.latitude), floor(point.longitude)), ())
        for box, rule in (*near, *self._large):
            if box.has(point) and rule.shape.contains(point):
                yield rule


def _is_standing(known: Any, located: Mapping[str, Any], passed: int) -> bool:
    """Whether a person has neither moved nor arrived since a location that is fresh."""
    before, after = point_of(known), point_of(located)
    if before is None or after is None or passed >= REFRESH:
        return False
    return list_visited(known) == list_visited(located) and measure(before, after) < MOVED_METRES


NO_PLACES: Final = DeployedPlaces()
