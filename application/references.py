"""The computed traits and segments of a deployment, and what reads them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal

from domain.deployed_names import DeployedNames
from domain.deployment_documents import LIFECYCLE, PLACES, SENDERS, TOPICS, RuleReader
from domain.errors import ConflictError
from domain.people.computed.definition import is_authored
from domain.people.places.deployed import DeployedPlaces
from domain.people.segments.references import SegmentReads, list_reads
from domain.people.segments.stages import stage_of_segment, stage_segment
from domain.people.topics.deployed import DeployedTopics
from domain.sending.senders import POSTAL_ADDRESS, DeployedSenders
from store import ad_audiences, computed_traits, documents, holds, references, segments
from store.database import Connection
from store.references import Referenced

# The remedy for each kind of name that a version reads and the deployment lacks.
REMEDIES: Final[Mapping[Referenced, str]] = {
    "computed traits": "Apply them to the document of computed traits first",
    "segments": "Apply them first: `sojourn segments apply`, stages by `sojourn lifecycle apply`, and `rfm.…` by "
    "`sojourn rfm apply`",
    "areas": "Apply them first: `sojourn places apply`",
    "places": "Apply them first: `sojourn places apply`",
    "stages": "Apply them first: `sojourn lifecycle apply`",
    "topics": "Apply them first: `sojourn topics apply`, or publish a version whose sends have another category",
    "subscribed topics": "Apply them first: `sojourn topics apply`",
    "deployment values": "Write them into the document of senders first: `sojourn senders apply`",
    "audiences": "Apply them first: `sojourn audiences apply`",
}


async def load_names(connection: Connection) -> DeployedNames:
    """Return the names that conditions may use."""
    stored = await segments.load(connection)
    types = await computed_traits.load_types(connection)
    audiences = await ad_audiences.load(connection)
    rules = await documents.read_rules(connection, [PLACES, LIFECYCLE, TOPICS, SENDERS])
    places = DeployedPlaces(rules.get(PLACES))
    return DeployedNames(
        {key: type for key, type in types.items() if is_authored(key)},
        [one.definition.key for one in stored],
        list(places.areas),
        sorted({name for place in places.places.values() for name in place.names}),
        rules.get(LIFECYCLE),
        list(DeployedTopics(rules.get(TOPICS)).topics),
        DeployedSenders(rules.get(SENDERS)).postal_address is not None,
        [one.name for one in audiences if one.mirror is None],
        [one.name for one in audiences if one.mirror is not None],
    )


async def find_trait_readers(connection: Connection, keys: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return the campaigns and segments that name computed traits, by key."""
    return await _find_readers(connection, keys, ["computed traits"], lambda reads: reads.computed)


async def find_segment_readers(connection: Connection, keys: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return campaigns, segments, holds and audiences that name segments, by key."""
    found = await _find_readers(connection, keys, ["segments"], lambda reads: reads.segments)
    for audience in await ad_audiences.load(connection):
        if audience.mirror is not None and audience.mirror in keys:
            found.setdefault(audience.mirror, []).append(RuleReader("audience", audience.name, None))
    return await _with_holds(connection, found, "segment", keys)


async def find_place_readers(connection: Connection, keys: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return what names areas, places or tags, by key; also open holds."""
    found = await _find_readers(connection, keys, ["areas", "places"], lambda reads: reads.areas)
    return await _with_holds(connection, found, "area", keys)


async def find_stage_readers(connection: Connection, keys: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return the campaigns and segments that name stages, by key."""
    found = await _find_readers(connection, keys, ["stages"], lambda reads: reads.stages)
    of_segments = await find_segment_readers(connection, [stage_segment(key) for key in keys])
    for segment, readers in of_segments.items():
        found.setdefault(stage_of_segment(segment), []).extend(readers)
    return {key: list(dict.fromkeys(readers)) for key, readers in found.items()}


async def _find_readers(
    connection: Connection,
    keys: Collection[str],
    kinds: Sequence[Referenced],
    names_of: Callable[[SegmentReads], Collection[str]],
) -> dict[str, list[RuleReader]]:
    """Return the campaigns that name some of these kinds, then the segments, by key."""
    found: dict[str, list[RuleReader]] = {}
    for kind in kinds:
        for key, readers in (await references.find_campaigns(connection, kind, keys)).items():
            found.setdefault(key, []).extend(readers)
    for one in await segments.load(connection):
        for key in sorted({*names_of(list_reads(one.definition.rule))}.intersection(keys)):
            found.setdefault(key, []).append(RuleReader("segment", one.definition.key, one.version))
    return found


async def _with_holds(
    connection: Connection,
    found: Mapping[str, list[RuleReader]],
    kind: Literal["segment", "area"],
    keys: Collection[str],
) -> dict[str, list[RuleReader]]:
    """Add the open holds of segments or areas: without these they would hold no one."""
    readers = dict(found)
    for group in await holds.list_groups(connection):
        if group.kind == kind and group.key in keys:
            readers.setdefault(group.key, []).append(RuleReader("hold", str(group.id), None))
    return readers


async def find_topic_readers(connection: Connection, keys: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return the campaigns and segments that name topics, in messages or conditions."""
    found = await _find_readers(connection, keys, ["topics", "subscribed topics"], lambda reads: reads.topics)
    return {key: list(dict.fromkeys(readers)) for key, readers in found.items()}


async def find_postal_address_readers(connection: Connection, names: Collection[str]) -> dict[str, list[RuleReader]]:
    """Return the campaigns that print the postal address; senders are named by traits."""
    return await references.find_campaigns(connection, "deployment values", {POSTAL_ADDRESS}.intersection(names))


def describe_readers(readers: Mapping[str, Sequence[RuleReader]]) -> str:
    """Say who reads what, for a refusal."""
    return "; ".join(f"`{key}` is read by {', '.join(map(str, known))}" for key, known in readers.items())


async def require_names(connection: Connection, campaign: str, version: int) -> None:
    """Raise ConflictError if a version names what is not in force."""
    for kind, remedy in REMEDIES.items():
        if missing := await references.find_missing(connection, kind, campaign, version):
            raise ConflictError(
                f"version {version} of {campaign} reads {kind} that are no longer there: {', '.join(missing)}. "
                f"{remedy}",
                campaign=campaign,
            )
