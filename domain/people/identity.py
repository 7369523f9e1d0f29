"""Resolution of user ids and anonymous ids to profiles.

A user id names one profile for ever. An anonymous id belongs to a profile of its own until an event names both ids:
then the anonymous profile becomes the user's, or is merged into it. An anonymous id of one user stays with that user
when another person logs in on the same device: the user id of the event decides. An external id, of another system, is
linked as an anonymous id is; it never decides which person a call concerns, and it merges no two users.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import UUID

from msgspec import Struct, field

from domain.tracking.event import SOJOURN_SOURCE, Event, Trust

# The kinds of ids that tracking calls carry.
IDENTITY_KINDS: Final = ("user", "anonymous")
# Ids of other systems that a person can have.
MAX_EXTERNAL_IDS: Final = 50
_TWO_USERS: Final = (
    "is another user's: no call merges two users. If they are one person, merge them by POST /v1/users/{id}/merges"
)
_TOO_MANY: Final = f"is one too many: a person may have {MAX_EXTERNAL_IDS} ids of other systems"


class PersonRef(Struct, frozen=True):
    """A person as a caller names them.

    `kind` is that of an identity, or `profile` for Sojourn's own id. Without one, it is a user id, else an anonymous
    one.
    """

    id: str
    kind: str | None = None

    def __str__(self) -> str:
        return f"{self.kind or 'user'} {self.id}"


class Identity(Struct, frozen=True, order=True, gc=False):
    """An identifier by which a client names a person."""

    kind: str
    value: str


class Known(Struct, frozen=True, gc=False):
    """The profile behind an identity, whether it is anonymous, and its external ids."""

    profile_id: UUID
    is_anonymous: bool
    external_ids: int = 0


class Conflict(Struct, frozen=True):
    """An id of an event that was not linked: the part of the call, and why."""

    event_id: UUID
    part: str
    reason: str
    value: str


class Resolution(Struct):
    """The changes of profiles that a batch of events causes.

    `profile_of` gives the profile of each event, by its id. `created` are new profiles with their user id, or None.
    `linked` are new identities. `claimed` gives anonymous profiles the user id that is now known for them. `merged`
    maps a profile to the one it is merged into. `unverified` are the events that may count for an anonymous person
    only, and are about a known one. `conflicts` are ids that stay with another person.
    """

    profile_of: dict[UUID, UUID] = field(default_factory=dict)
    created: dict[UUID, str | None] = field(default_factory=dict)
    linked: dict[Identity, UUID] = field(default_factory=dict)
    claimed: dict[UUID, str] = field(default_factory=dict)
    merged: dict[UUID, UUID] = field(default_factory=dict)
    unverified: set[UUID] = field(default_factory=set)
    conflicts: list[Conflict] = field(default_factory=list)

    @property
    def is_structural(self) -> bool:
        """Whether it needs exclusive locks.

        An existing identity changes its person, or a person gets an external id, which are counted.
        """
        return bool(self.claimed or self.merged or any(is_external(identity) for identity in self.linked))


def identities_of(events: Iterable[Event]) -> set[Identity]:
    """Return every identity that must be looked up to resolve these events."""
    wanted: set[Identity] = set()
    for event in events:
        if event.user_id is not None:
            wanted.add(Identity("user", event.user_id))
        if event.anonymous_id is not None:
            wanted.add(Identity("anonymous", event.anonymous_id))
        if event.previous_id is not None:
            wanted |= {Identity("user", event.previous_id), Identity("anonymous", event.previous_id)}
        if event.external_ids:
            wanted |= {Identity(type, id) for type, id in event.external_ids}
    return wanted


def find_main_identity(identities: Iterable[Identity]) -> Identity:
    """Return the id that stands for a person: a user id, else an anonymous one."""
    return max(identities, key=lambda one: (one.kind == "user", one.kind == "anonymous", one))


def is_external(identity: Identity) -> bool:
    """Return whether an identity is an id of another system."""
    return identity.kind not in IDENTITY_KINDS


def resolve(events: Iterable[Event], known: Mapping[Identity, Known], new_id: Callable[[], UUID]) -> Resolution:
    """Resolve the profiles of events in order, with the changes that follow."""
    resolver = _Resolver(known, new_id)
    for event in events:
        resolver.take(event)
    return resolver.finish()


class _Resolver:
    def __init__(self, known: Mapping[Identity, Known], new_id: Callable[[], UUID]) -> None:
        self._at = {identity: entry.profile_id for identity, entry in known.items()}
        self._anonymous = {entry.profile_id for entry in known.values() if entry.is_anonymous}
        self._new_id = new_id
        self._external = {entry.profile_id: entry.external_ids for entry in known.values()}
        self._merged_into: dict[UUID, UUID] = {}
        self.resolution = Resolution()

    def take(self, event: Event) -> None:
        user = Identity("user", event.user_id) if event.user_id is not None else None
        others = [Identity("anonymous", event.anonymous_id)] if event.anonymous_id is not None else []
        if event.previous_id is not None:
            others.append(self._previous_identity(event.previous_id))
        if user is None:
            profile = self._profile(others[0])
            # An emitted event is about the person of its journey, also after a merge.
            is_limited = event.trust is not Trust.VERIFIED and event.source != SOJOURN_SOURCE
            if is_limited and profile not in self._anonymous:
                self.resolution.unverified.add(event.id)
        else:
            for other in others:
                if not self._link(other, user) and other.kind == "user":
                    self._refuse(event, "previousId", other, _TWO_USERS)
            profile = self._profile(user)
        for type, id in event.external_ids:
            self._link_external(event, Identity(type, id), user or others[0])
        self.resolution.profile_of[event.id] = profile

    def _previous_identity(self, value: str) -> Identity:
        # An alias does not say which kind its previousId is: prefer a known user id.
        as_user = Identity("user", value)
        return as_user if as_user in self._at else Identity("anonymous", value)

    def _profile(self, identity: Identity) -> UUID:
        if (known := self._stored_profile(identity)) is not None:
            return known
        profile = self._new_id()
        user_id = identity.value if identity.kind == "user" else None
        self.resolution.created[profile] = user_id
        if user_id is None:
            self._anonymous.add(profile)
        self._assign(identity, profile)
        return profile

    def _stored_profile(self, identity: Identity) -> UUID | None:
        known = self._at.get(identity)
        return None if known is None else self._current(known)

    def _assign(self, identity: Identity, profile: UUID) -> None:
        self._at[identity] = profile
        self.resolution.linked[identity] = profile

    def _link(self, other: Identity, user: Identity) -> bool:
        """Link an id with a user's; return False if it is another user's."""
        source = self._stored_profile(other)
        target = self._stored_profile(user)
        if source is None:
            self._assign(other, self._profile(user))
        elif source == target:
            return True
        elif source not in self._anonymous:
            return False
        elif target is None:
            self._claim(source, user)
        else:
            self._merge(source, target)
        return True

    def _link_external(self, event: Event, external: Identity, own: Identity) -> None:
        """Link an external id with the event's person, unless it is another user's."""
        source = self._stored_profile(external)
        if source in self._anonymous and own.kind == "user" and self._stored_profile(own) is None:
            self._claim(source, own)
        target = self._profile(own)
        if source is None:
            if self._external.get(target, 0) >= MAX_EXTERNAL_IDS:
                self._refuse(event, f"context.externalIds.{external.kind}", external, _TOO_MANY)
                return
            self._external[target] = self._external.get(target, 0) + 1
            self._assign(external, target)
        elif source == target:
            return
        elif target in self._anonymous and (target in self.resolution.created or source not in self._anonymous):
            self._merge(target, source)
        elif source in self._anonymous:
            self._merge(source, target)
        else:
            self._refuse(event, f"context.externalIds.{external.kind}", external, _TWO_USERS)

    def _refuse(self, event: Event, part: str, identity: Identity, reason: str) -> None:
        self.resolution.conflicts.append(Conflict(event.id, part, f"{part} {reason}", identity.value))

    def _claim(self, profile: UUID, user: Identity) -> None:
        self._anonymous.discard(profile)
        if profile in self.resolution.created:
            self.resolution.created[profile] = user.value
        else:
            self.resolution.claimed[profile] = user.value
        self._assign(user, profile)

    def _merge(self, source: UUID, target: UUID) -> None:
        """Merge; `finish` follows the references of all merges once."""
        self._merged_into[source] = target
        self._anonymous.discard(source)
        self._external[target] = self._external.get(target, 0) + self._external.get(source, 0)
        if source in self.resolution.created:
            del self.resolution.created[source]
        else:
            self.resolution.merged[source] = target

    def _current(self, profile: UUID) -> UUID:
        # An anonymous profile with the same external id may itself be merged later. Most batches merge no profiles.
        while self._merged_into and profile in self._merged_into:
            profile = self._merged_into[profile]
        return profile

    def finish(self) -> Resolution:
        """Return the resolution, with merged profiles replaced by their targets."""
        found = self.resolution
        if not self._merged_into:
            return found
        found.profile_of = {event_id: self._current(profile) for event_id, profile in found.profile_of.items()}
        found.linked = {identity: self._current(profile) for identity, profile in found.linked.items()}
        found.merged = {source: self._current(target) for source, target in found.merged.items()}
        return found
