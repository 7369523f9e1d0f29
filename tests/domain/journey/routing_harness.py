"""A harness for the routing of events: campaigns, and what the database would hold about people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from hypothesis import strategies as st
from msgspec import Struct

from domain.campaign.rules import EntryRule, EventRule, GoalRule, Rules, ScheduleRule
from domain.journey.listeners import CampaignVersion, Listeners
from domain.journey.matching import ProfileEvent
from domain.journey.records import Journey, Owner
from domain.journey.routing import route
from domain.journey.routing_result import RoutingContext, RoutingResult
from domain.people.account_view import AccountKey, AccountView
from domain.tracking.event import Event

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
ADA, BOB = UUID(int=0xADA), UUID(int=0xB0B)


class Somebody(Struct, frozen=True):
    user_id: str | None
    traits: Mapping[str, Any] = {}


PEOPLE = {ADA: Somebody("ada", {"vip": True}), BOB: Somebody("bob")}


class RoutingHarness:
    """Campaigns, and what the database holds about people. Each batch leaves behind what the next one finds."""

    def __init__(
        self, *running: CampaignVersion, older: Sequence[CampaignVersion] = (), past: Sequence[CampaignVersion] = ()
    ) -> None:
        self.listeners = Listeners(running, older, past)
        self.at = NOON
        self.active: dict[UUID, Journey] = {}
        self.past: dict[UUID, Journey] = {}
        self.converted: dict[UUID, str] = {}
        self.last_entries: dict[tuple[str, Owner, str], datetime] = {}
        self.received: list[ProfileEvent] = []
        self.result = RoutingResult()
        self._ids = (UUID(int=number) for number in count(1))

    def add(self, *journeys: Journey) -> "RoutingHarness":
        self.active |= {journey.id: journey for journey in journeys}
        return self

    def accounts(self, profile_events: Sequence[ProfileEvent]) -> Mapping[AccountKey, AccountView]:
        """The accounts of events."""
        return {}

    def take(self, *profile_events: ProfileEvent, after: timedelta = timedelta(0)) -> RoutingResult:
        """Route a batch. Its own events are stored before it is routed."""
        self.at += after
        self.received += [one for one in profile_events if self.listeners.hears(one.event)]
        # The latest first: nothing may depend on the order in which they are found.
        found = sorted(self.received, key=lambda one: one.event.timestamp, reverse=True)
        past = [journey for id, journey in self.past.items() if id not in self.converted]
        accounts = self.accounts([*profile_events, *found])
        around = RoutingContext(PEOPLE, list(self.active.values()), past, self.last_entries, found, {}, accounts)
        routed = route(iter(profile_events), self.listeners, around, received_at=self.at, new_ids=self._ids)
        for journey in routed.entered:
            self.active[journey.id] = journey
            self.last_entries[journey.campaign_key, journey.owner, journey.entry_key] = journey.entered_at
        for id in routed.exits:
            self.past[id] = self.active.pop(id)
        for reached in routed.conversions:
            # The first that is recorded stays.
            if self.converted.setdefault(reached.journey.id, reached.event.message_id) == reached.event.message_id:
                self.result.conversions.append(reached)
        self.result.entered += routed.entered
        self.result.exits |= routed.exits
        self.result.matches += routed.matches
        self.result.decisions += routed.decisions
        return routed


_messages = count(1)


def event_id(message_id: str) -> UUID:
    """The id that the event of a message id has on this harness."""
    return uuid5(NAMESPACE_OID, message_id)


def track(
    name: str,
    person: UUID = ADA,
    *,
    message_id: str | None = None,
    at: datetime = NOON,
    reported: datetime | None = None,
    **properties: Any,
) -> ProfileEvent:
    message_id = message_id or f"m{next(_messages)}"
    event = Event(
        id=event_id(message_id),
        message_id=message_id,
        type="track",
        name=name,
        user_id=PEOPLE[person].user_id,
        anonymous_id=None,
        properties=properties,
        context={},
        timestamp=at,
        reported_timestamp=reported,
    )
    return ProfileEvent(person, event)


def campaign(
    key: str = "cart",
    *,
    version: int = 1,
    entry: EntryRule | None = None,
    exits: Sequence[EventRule] = (),
    hears: Mapping[str, EventRule] | None = None,
    schedule: ScheduleRule | None = None,
    goal: GoalRule | None = None,
) -> CampaignVersion:
    rules = Rules(
        name=key,
        entry=entry or EntryRule("Cart Abandoned"),
        exits=tuple(exits),
        subscriptions=dict(hears or {}),
        schedule=schedule or ScheduleRule(),
        goal=goal,
    )
    return CampaignVersion(key, version, rules)


def journey(
    entry: ProfileEvent, key: str = "cart", *, id: int = 900, version: int = 1, entry_key: str = "", at: datetime = NOON
) -> Journey:
    """One that was entered before."""
    return Journey(UUID(int=id), key, version, entry.profile_id, entry_key, f"{key}/x/{id}", entry.event, at)


LEFT = EventRule("Left")
BY_CART = EntryRule("Cart Abandoned", key="event.properties.cart")
SAME_CART = EventRule("Order Completed", "event.properties.cart == entry.properties.cart")


def reasons(routed: RoutingResult) -> list[str | None]:
    return [decision.reason for decision in routed.decisions]


# Campaigns that share events, and any events of two people

ONE = campaign(
    "one",
    version=2,
    entry=EntryRule("Enter", "event.properties.size > 1", "event.properties.cart"),
    exits=[EventRule("Leave", "event.properties.cart == entry.properties.cart"), EventRule("Quit")],
    hears={"w/0": EventRule("Seen", "event.properties.cart == entry.properties.cart"), "w/1": EventRule("Enter")},
    goal=GoalRule("Seen", 2),
)
ONE_BEFORE = campaign(
    "one",
    version=1,
    exits=[EventRule("Seen")],
    hears={"v/0": EventRule("Leave")},
    goal=GoalRule("Quit", 4, "event.properties.size > 1"),
)
TWO = campaign(
    "two",
    entry=EntryRule("Enter", reentry="never"),
    exits=[EventRule("Quit"), EventRule("Both")],
    goal=GoalRule("Leave", 3, exits=True),
)
THREE = campaign(
    "three", entry=EntryRule("Both", reentry=3_600), exits=[EventRule("Both", "event.properties.size > 1")]
)

BEFORE = journey(track("Enter", cart="c1", size=2), "one", entry_key="c1")

HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["Enter", "Enter", "Leave", "Quit", "Both", "Seen"]),
        st.sampled_from([ADA, BOB]),
        st.integers(0, 5),
        st.sampled_from(["c1", "c2", None]),
        st.sampled_from([1, 2, 2]),
    ),
    max_size=10,
).map(
    lambda rows: [
        track(name, person, message_id=f"h{n}", at=NOON + timedelta(seconds=second), cart=cart, size=size)
        for n, (name, person, second, cart, size) in enumerate(rows)
    ]
)


def cut(profile_events: list[ProfileEvent], places: set[int]) -> Iterator[list[ProfileEvent]]:
    start = 0
    for end in [*sorted(place for place in places if place < len(profile_events)), len(profile_events)]:
        yield profile_events[start:end]
        start = end


def staged(batches: Iterator[list[ProfileEvent]] | list[list[ProfileEvent]]) -> RoutingHarness:
    harness = RoutingHarness(ONE, TWO, THREE, older=[ONE_BEFORE]).add(BEFORE)
    for batch in batches:
        harness.take(*batch)
    return harness


def is_about(event: Event, one: Journey) -> bool:
    cart = event.properties["cart"]
    return (event.user_id == one.entry.user_id) and (one.entry_key == "" or cart is None or cart == one.entry_key)
