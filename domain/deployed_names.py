"""The names of a deployment that conditions may use."""

from collections.abc import Collection, Mapping

from msgspec import Struct

from domain.people.computed.definition import TraitType


class DeployedNames(Struct, frozen=True):
    """The types of the computed traits by key, and the keys of the others.

    `places` are also the tags of places.
    """

    computed: Mapping[str, TraitType]
    segments: Collection[str]
    areas: Collection[str] = ()
    places: Collection[str] = ()
