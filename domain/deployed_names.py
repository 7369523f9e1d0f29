"""The names of a deployment that conditions may use."""

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from domain.people.computed.definition import TraitType
from domain.people.lifecycle import StageRule


class DeployedNames(Struct, frozen=True):
    """The types of the computed traits by key, the keys of the others, and the stages.

    `places` are also the tags of places. Without a life cycle there are no stages, and any may be set and compared.
    Without topics, a send has any category. `audiences` are those that steps change, `mirrors` the others.
    """

    computed: Mapping[str, TraitType]
    segments: Collection[str]
    areas: Collection[str] = ()
    places: Collection[str] = ()
    stages: Sequence[StageRule] = ()
    topics: Collection[str] = ()
    has_postal_address: bool = False
    audiences: Collection[str] = ()
    mirrors: Collection[str] = ()
