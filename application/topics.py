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
from domain.document.yaml_source import read
from domain.errors import ConflictError, Problem
from domain.people.topics.deployed import SERVICE, ConsentRule, DeployedTopics
from domain.sending.caps import ONE_TIME_CODE, TRANSACTIONAL
from store import documents, references, segments
from store.database import Connection

_CONSENT: Final = frozenset({"profile.consent", SUBSCRIPTIONS})


async def warn_of_categories(
    connection: Connection, rules: Sequence[ConsentRule], text: str, file: str
) -> list[Problem]:
    """Warn of campaigns in use whose messages are about none of the topics."""
    topics = DeployedTopics(rules).topics
    if not topics:
        return []
    known = [*topics, TRANSACTIONAL, ONE_TIME_CODE, SERVICE]
    source, found = read(text, file), await references.find_campaigns_beyond(connection, "topics", known)
    return [
        source.problem(
            ("topics",),
            f"`{category}` is not a topic, and is the category of messages of {', '.join(map(str, campaigns))}: people "
            "who have not agreed to the channel get these no more, where the regime is `opt_in`",
            "Publish versions whose messages are about a topic, or of the category `service`",
        )
        for category, campaigns in found.items()
    ]


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
