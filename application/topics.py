"""The topics of the deployment: put in force."""

from collections.abc import Sequence
from typing import Final

from msgspec import to_builtins

from application.references import describe_readers, find_topic_readers
from application.segments import request_judgement
from domain.access import Actor
from domain.conditions.cel_roots import SUBSCRIPTIONS
from domain.conditions.expressions import ExpressionScope, compile_condition
from domain.deployment_documents import TOPICS
from domain.errors import ConflictError
from domain.people.topics.deployed import ConsentRule, DeployedTopics
from store import documents, segments
from store.database import Connection

_CONSENT: Final = frozenset({"profile.consent", SUBSCRIPTIONS})


async def apply_topics(connection: Connection, rules: Sequence[ConsentRule], by: Actor) -> None:
    """Put stored rules in force; the caller holds the registry's exclusive lock.

    Everyone is judged anew by the segments that read consent or subscriptions. Raises ConflictError if a campaign sends
    about a topic that is no longer there, or a condition reads one, unless there are none any more.
    """
    before, now = DeployedTopics(await documents.before_latest(connection, TOPICS)), DeployedTopics(rules)
    gone = before.topics.keys() - now.topics.keys()
    if now.topics and gone and (readers := await find_topic_readers(connection, sorted(gone))):
        raise ConflictError(
            f"{describe_readers(readers)}: keep it, or first publish versions without it",
            read_by=to_builtins(readers),
        )
    stale = [
        one.definition.id
        for one in await segments.load(connection)
        if _CONSENT & compile_condition(one.definition.rule.where, ExpressionScope.SEGMENT_WHERE).variables
    ]
    if stale:
        await segments.renew(connection, stale)
        await request_judgement(connection, by.name)
