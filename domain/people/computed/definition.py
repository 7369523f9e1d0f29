"""Definitions of computed traits, as they are compiled and stored."""

from typing import Final, Literal

from msgspec import Struct

from domain.people.activity import is_activity
from domain.tracking.event import Event

TraitFunction = Literal["count", "any", "sum", "min", "max", "first", "last", "top", "distinct", "sequence", "rhythm"]
# The type of a trait for conditions. `counts` are numbers by text. The events decide the type of a `dyn`.
TraitType = Literal["int", "double", "timestamp", "bool", "counts", "dyn"]
NamedEventType = Literal["track", "page", "screen"]

# The types that say how often, whether or when there was an event, and nothing of what it says.
_NO_VALUES: Final = frozenset[TraitType]({"int", "bool", "timestamp"})
# A trait of any activity: the person did something.
ANYTHING: Final = "*"
DEFAULT_KEEP: Final = 50
# Keys of the traits that another document brings with it begin so. No author can write such a key.
OWN_PREFIX: Final = "_"


class EventSelector(Struct, frozen=True, omit_defaults=True):
    """Events of a type and a name; any activity of that type, or of any, where None."""

    type: NamedEventType | None = None
    name: str | None = None


class TraitRule(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A computation over events.

    `where`, `of` and `by` are expressions over the event alone: a trait that looked at the profile would depend on when
    an event is counted. `by` counts each of its values. `within` is in seconds. `server_sources` report no activity;
    they are given where a selector is of any name. `type` is that of the value. `is_exact` asks for a longer list of
    single events.
    """

    function: TraitFunction
    events: tuple[EventSelector, ...]
    type: TraitType
    where: str | None = None
    of: str | None = None
    by: str | None = None
    within: int | None = None
    keep: int = DEFAULT_KEEP
    is_exact: bool = False
    server_sources: tuple[str, ...] = ()

    @property
    def changes_by_time(self) -> bool:
        """Whether the value may change without an event."""
        return self.function == "rhythm" or (self.within is not None and self.function != "sequence")

    @property
    def holds_values(self) -> bool:
        """Whether the value is made of the contents of events."""
        return self.type not in _NO_VALUES and self.function != "rhythm"


class TraitDefinition(Struct, frozen=True):
    """A rule under its key.

    Another rule for a key has another id, and a state of its own.
    """

    id: int
    key: str
    rule: TraitRule


def is_authored(key: str) -> bool:
    """Return whether a trait is of the document of computed traits."""
    return not key.startswith(OWN_PREFIX)


def is_selected(event: Event, selector: EventSelector, server_sources: tuple[str, ...]) -> bool:
    """Return whether a selector means this event, its `where` aside."""
    if selector.type is not None and event.type != selector.type:
        return False
    if selector.name is not None:
        return event.name == selector.name
    return is_activity(event, server_sources)
