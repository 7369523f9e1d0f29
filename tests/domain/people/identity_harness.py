"""People and the names by which they are known, in memory."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import count
from uuid import NAMESPACE_OID, UUID, uuid5

from domain.people.identity import (
    Identity,
    Known,
    Resolution,
    identities_of,
    resolve,
)
from domain.tracking.event import Event

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


def ids() -> Callable[[], UUID]:
    numbers = count(1)
    return lambda: UUID(int=next(numbers))


def event_id(message_id: str) -> UUID:
    return uuid5(NAMESPACE_OID, message_id)


def user(value: str) -> Identity:
    return Identity("user", value)


def anonymous(value: str) -> Identity:
    return Identity("anonymous", value)


def crm(value: str) -> Identity:
    return Identity("crm", value)


def event(
    message_id: str,
    user_id: str | None = None,
    anonymous_id: str | None = None,
    previous_id: str | None = None,
    external_id: str | None = None,
) -> Event:
    return Event(
        id=event_id(message_id),
        message_id=message_id,
        type="track" if previous_id is None else "alias",
        name="Seen" if previous_id is None else None,
        user_id=user_id,
        anonymous_id=anonymous_id,
        previous_id=previous_id,
        external_ids=() if external_id is None else (("crm", external_id),),
        properties={},
        context={},
        timestamp=NOON,
    )


class People:
    """A database of people: who is behind a name, and which user id each of them has."""

    def __init__(self) -> None:
        self.behind: dict[Identity, UUID] = {}
        self.user_ids: dict[UUID, str | None] = {}
        self.of_event: dict[UUID, UUID] = {}
        self._new_id = ids()

    def known(self, events: Iterable[Event]) -> dict[Identity, Known]:
        return {
            identity: Known(self.behind[identity], self.user_ids[self.behind[identity]] is None)
            for identity in identities_of(events)
            if identity in self.behind
        }

    def take(self, *events: Event) -> Resolution:
        """Resolve and do what the resolution says, in the order in which the database would."""
        known = self.known(events)
        resolution = resolve(events, known, self._new_id)
        assert not resolution.created.keys() & self.user_ids.keys()
        self.user_ids |= resolution.created
        for identity, profile in resolution.linked.items():
            assert identity not in self.behind
            assert profile in self.user_ids
            self.behind[identity] = profile
        for profile, user_id in resolution.claimed.items():
            assert self.user_ids[profile] is None
            self.user_ids[profile] = user_id
        for source, target in resolution.merged.items():
            assert source not in resolution.created
            assert self.user_ids[source] is None
            assert target not in resolution.merged
            self.behind = {name: target if at == source else at for name, at in self.behind.items()}
            self.of_event = {id: target if at == source else at for id, at in self.of_event.items()}
        for source in resolution.merged:
            del self.user_ids[source]
        assert set(resolution.profile_of.values()) <= self.user_ids.keys()
        self.of_event |= resolution.profile_of
        external = [identity for identity in resolution.linked if identity.kind == "crm"]
        assert resolution.is_structural == bool(resolution.claimed or resolution.merged or external)
        return resolution

    def groups(self) -> set[tuple[str | None, frozenset[Identity]]]:
        """Everybody, as a user id and all names."""
        return {
            (user_id, frozenset(name for name, at in self.behind.items() if at == profile))
            for profile, user_id in self.user_ids.items()
        }

    def events(self) -> dict[UUID, frozenset[Identity]]:
        """The names of the person whom each event is about."""
        return {
            id: frozenset(name for name, at in self.behind.items() if at == profile)
            for id, profile in self.of_event.items()
        }
