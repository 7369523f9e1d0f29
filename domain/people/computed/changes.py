"""Changes of computed traits, as rules name them."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from domain.people.computed.deployed import DeployedTraits
from domain.people.derived_events import ValueChange, computed_trigger
from domain.people.profile_state import Source

# A value that is due to change at an instant is read so long before it.
JUST_BEFORE: Final = timedelta(microseconds=1)


def list_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], source: Source, traits: DeployedTraits
) -> list[ValueChange]:
    """Return the changes from some values, by key, to those after."""
    return [
        ValueChange(computed_trigger(key), value, after[key], source, traits.is_unverified(key))
        for key, value in before.items()
        if after[key] != value
    ]
