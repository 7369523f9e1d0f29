"""The parts of a profile that conditions of segments read, as names.

A change of a part affects the segments that read one of its names, and no others.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from domain.channels.kinds import ADDRESS_TRAITS
from domain.conditions.cel_areas import AREAS
from domain.conditions.cel_compile import Checked
from domain.conditions.cel_roots import DEVICES, STAGE_VARIABLE, STATED_STAGE_VARIABLE, SUBSCRIPTIONS
from domain.people.countries import COUNTRY_TRAITS
from domain.people.derived_events import ValueChange
from domain.people.places.location import LOCATION
from domain.people.profile_state import Statement

ACCOUNT: Final = "account"
# Read by name, and by the life cycle as what was set by hand.
STAGE: Final = (STAGE_VARIABLE, STATED_STAGE_VARIABLE)
USER_ID: Final = "profile.user_id"
# Read by segments that people may be in without any known value, and by those that read when people were created.
CREATED: Final = "new profile"
# The local time of the person, which functions of time read without naming it.
ZONE: Final = "zone"
_TRAITS: Final = "profile.traits"
# Fields that are read from traits as well.
_OF_TRAITS: Final = {"timezone": ("profile.timezone", ZONE), "locale": ("profile.locale",)}
CONSENT: Final = ("profile.consent", "profile.consent_given")
# Fields that the context of a call states.
_OF_CONTEXT: Final = {"timezone": ("profile.timezone", ZONE), "locale": ("profile.locale",), LOCATION: (AREAS,)}
# Fields that a person's activity states.
LEARNED: Final = frozenset(
    {
        *("profile.first_seen", "profile.last_seen", "profile.sessions", "profile.locale", "profile.timezone", ZONE),
        *("profile.app_version", "profile.country", "profile.region", "profile.first_referrer"),
        *("profile.last_referrer", "profile.first_campaign", "profile.last_campaign", DEVICES),
    }
)


def list_inputs(checked: Checked) -> Iterator[str]:
    """Iterate over the names of what an expression reads, other segments aside."""
    for variable, *keys in checked.values:
        if variable.startswith(f"{ACCOUNT}."):
            yield ACCOUNT
        elif variable == _TRAITS and keys:
            yield f"{_TRAITS}.{keys[0]}"
        elif variable == "profile.created_at":
            yield CREATED
        else:
            yield variable
    if checked.reads_time:
        yield ZONE


def computed_input(key: str) -> str:
    """Return the name of a computed trait."""
    return f"profile.computed.{key}"


def trait_inputs(name: str) -> Iterator[str]:
    """Iterate over the names of a trait."""
    yield from (_TRAITS, f"{_TRAITS}.{name}", *_OF_TRAITS.get(name, ()))
    if name in ADDRESS_TRAITS or name in COUNTRY_TRAITS:
        # Another address may have refused messages, and silence may mean something else there.
        yield from CONSENT


def inputs_of_statement(said: Statement) -> Iterable[str]:
    """Return the names of what a statement may change."""
    match said.part:
        case "traits":
            return trait_inputs(said.name)
        case "consent" | "suppressed":
            return CONSENT
        case "stage":
            return STAGE
        case "context":
            return _OF_CONTEXT.get(said.name, ())
        case "preferences":
            return (SUBSCRIPTIONS,)
        case "claims":
            return ()


def inputs_of_changes(changes: Iterable[ValueChange]) -> set[str]:
    """Return the names of what has changed."""
    names: set[str] = set()
    for change in changes:
        kind, name = change.trigger
        match kind:
            case "consent":
                names.update((*CONSENT, SUBSCRIPTIONS))
            case "changed" if name is not None and name.startswith(f"{_TRAITS}."):
                names.update(trait_inputs(name.removeprefix(f"{_TRAITS}.")))
            case "changed" if name is not None and name.startswith(f"{ACCOUNT}."):
                names.add(ACCOUNT)
            case "changed" if name == STAGE_VARIABLE:
                names.update(STAGE)
            case "changed" if name is not None:
                names.add(name)
    return names
