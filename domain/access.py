"""Who may do what."""

from typing import Final

from msgspec import Struct


class Actor(Struct, frozen=True):
    """Who does something: a key, by its id and name, or a part of Sojourn itself."""

    id: str
    name: str


# What no hand does: a schedule that begins or ends, an audience that comes round again.
SOJOURN: Final = Actor("sojourn", "Sojourn")
