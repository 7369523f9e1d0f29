"""The document of RFM: put in force, checked against what is known, and described."""

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import to_builtins

from application.computed_traits import replace_traits
from application.references import describe_readers, find_segment_readers
from application.rfm_scores import load_segments, load_traits, put_segments, request_scores
from application.segments import resume_judgement
from domain.access import Actor
from domain.deployment_documents import RuleReader
from domain.document.yaml_source import read
from domain.errors import ConflictError, Problem
from domain.people.rfm.rule import RFM, RfmRule, list_traits
from domain.people.rfm.scores import MIN_BUYERS, explain_refusal
from domain.people.rfm.segments import SEGMENTS
from store import operations, rfm, seen, segments
from store.database import Connection


async def apply_rfm(connection: Connection, rules: Sequence[RfmRule], by: Actor) -> None:
    """Put a rule in force, or end the scores.

    The caller holds the registry's exclusive lock. The rule's computed traits count earlier events, and then an
    operation scores everyone. With another event, value or window it begins anew; else what was cancelled is requested
    again. Raises ConflictError if something reads a segment that would be removed.
    """
    stored = await load_traits(connection)
    wanted = list_traits(rules[0]) if rules else {}
    is_new = {one.definition.key: one.definition.rule for one in stored} != wanted
    if is_new:
        await rfm.forget(connection)
    if is_new and rules:
        # Without breakpoints until the traits are counted. People leave without triggers.
        await put_segments(connection, None, None, by)
    elif is_new:
        await _require_unread(connection)
        await segments.retire(connection, [one.definition.id for one in await load_segments(connection)])
    await replace_traits(connection, stored, wanted, by)
    if not is_new:
        await resume_judgement(connection, by)
    if rules and (is_new or not await _is_scored(connection)):
        await request_scores(connection, rules[0], by.name)


async def _is_scored(connection: Connection) -> bool:
    """Return whether there are scores, or will be."""
    return await rfm.latest(connection) is not None or await operations.is_open(connection, "score")


async def find_rfm_readers(connection: Connection, names: Sequence[str]) -> dict[str, Sequence[RuleReader]]:
    """Return what names a segment of scores, by the rule; also open holds."""
    found = await find_segment_readers(connection, [segment.key for segment in SEGMENTS])
    readers = list(dict.fromkeys(reader for known in found.values() for reader in known))
    return {name: readers for name in names if readers}


async def _require_unread(connection: Connection) -> None:
    if readers := await find_segment_readers(connection, [segment.key for segment in SEGMENTS]):
        raise ConflictError(
            f"{describe_readers(readers)}: keep the scores. To end them, first apply versions that do not read them "
            "and end the journeys of the others, or stop the campaign; release their holds",
            read_by=to_builtins(readers),
        )


async def warn_of_rfm(connection: Connection, rules: Sequence[RfmRule], text: str, file: str) -> list[Problem]:
    """Warn of a rule for which there are too few orders, as far as that is known."""
    if not rules:
        return []
    source, [rule] = read(text, file), rules
    remedy = "Apply it all the same: people are scored once there are enough, at midnight"
    found = await rfm.latest(connection)
    stored = {one.definition.key: one.definition.rule for one in await load_traits(connection)}
    if found is not None and stored == list_traits(rule):
        refusal = explain_refusal(found.population)
        return [] if refusal is None else [source.problem(("rfm",), f"there are no scores: {refusal}", remedy)]
    if "track" in await seen.find_crowded(connection):
        return []
    known = await seen.page(connection, limit=1_000, after=None, source=None, type="track", name=rule.event)
    if (orders := sum(one.seen.count for one in known)) >= MIN_BUYERS:
        return []
    said = f"`{rule.event}` was reported {orders:,} times, and scores need {MIN_BUYERS} buyers"
    return [source.problem(("rfm", "event"), said, remedy)]


async def describe_rfm(connection: Connection) -> Mapping[str, Mapping[str, Any]]:
    """Return when people were scored last, by which breakpoints, or why not."""
    found = await rfm.latest(connection)
    if found is None:
        return {RFM: {"ready_at": None}}
    return {
        RFM: {
            "ready_at": found.as_of,
            "buyers": found.population.buyers,
            "breakpoints": None if found.breakpoints is None else to_builtins(found.breakpoints),
            "refusal": explain_refusal(found.population),
        }
    }
