"""The names of a deployment's documents that published campaigns read."""

from collections.abc import Collection
from typing import Final, Literal

from domain.deployment_documents import RuleReader
from domain.people.topics.deployed import SERVICE
from domain.sending.caps import ONE_TIME_CODE, TRANSACTIONAL
from store import campaigns
from store.database import Connection

Referenced = Literal[
    "computed traits",
    "segments",
    "areas",
    "places",
    "stages",
    "topics",
    "subscribed topics",
    "deployment values",
    "audiences",
]

# The keys that the expressions, triggers and templates of a version name, within JSON, which escapes line breaks.
_NAMED: Final[dict[Referenced, str]] = {
    "computed traits": r"""
        SELECT DISTINCT found[1] AS key
        FROM regexp_matches(concat_ws(' ', rules, plan, templates), 'profile\W{1,4}computed\W{1,6}(\w+)', 'g') AS found
    """,
    "segments": r"""
        SELECT found[2] AS key
        FROM regexp_matches(
          concat_ws(' ', rules, plan),
          '(["''])([a-z][a-z0-9.-]*)\\?\1(?:\W|\\[nrt])*in(?:\W|\\[nrt])+profile(?:\W|\\[nrt])+segments', 'g'
        ) AS found
        UNION
        SELECT named #>> '{}'
        FROM jsonb_path_query(rules, '$.** ? (@.kind == "joins" || @.kind == "leaves").event') AS named
    """,
    "areas": r"""
        SELECT DISTINCT found[1] AS key
        FROM regexp_matches(
          concat_ws(' ', rules, plan), 'in_area(?:\W|\\[nrt])+profile(?:\W|\\[nrt])+([a-z][a-z0-9-]*)', 'g'
        ) AS found
    """,
    "places": """
        SELECT DISTINCT named #>> '{}' AS key
        FROM jsonb_path_query(rules, '$.** ? (@.kind == "arrives").event') AS named
    """,
    "stages": r"""
        SELECT found[1] AS key
        FROM regexp_matches(
          concat_ws(' ', rules, plan), 'profile\W{1,4}stage(?:\W|\\[nrt]){1,20}([a-z][a-z0-9-]*)', 'g'
        ) AS found
        UNION
        SELECT listed[1]
        FROM regexp_matches(
          concat_ws(' ', rules, plan), 'profile\W{1,4}stage(?:\W|\\[nrt]){1,20}in\W{1,4}\[([^\]]*)\]', 'g'
        ) AS found
        CROSS JOIN LATERAL regexp_matches(found[1], '[a-z][a-z0-9-]*', 'g') AS listed
        UNION
        SELECT found[1]
        FROM regexp_matches(
          concat_ws(' ', rules, plan), '([a-z][a-z0-9-]*)\W{1,4}[!=]=(?:\W|\\[nrt])*profile\W{1,4}stage\M', 'g'
        ) AS found
    """,
    "subscribed topics": r"""
        SELECT found[2] AS key
        FROM regexp_matches(
          concat_ws(' ', rules, plan),
          '(["''])([a-z][a-z0-9_-]*)\\?\1(?:\W|\\[nrt])*in(?:\W|\\[nrt])+profile(?:\W|\\[nrt])+subscriptions', 'g'
        ) AS found
    """,
    "deployment values": r"""
        SELECT DISTINCT found[1] AS key
        FROM regexp_matches(templates::text, 'deployment\W{1,4}(postal_address)', 'g') AS found
    """,
    "audiences": """
        SELECT DISTINCT rule ->> 'name' AS key
        FROM jsonb_path_query(rules, '$.actions.* ? (@.kind == "audience")') AS rule
    """,
    # The plan leaves out what is by default.
    "topics": """
        SELECT DISTINCT COALESCE(node ->> 'category', 'marketing') AS key
        FROM jsonb_path_query(plan, '$.** ? (@.kind == "send" || @.kind == "send_members")') AS node
    """,
}


def _rules_of(document: str) -> str:
    return f"""
    FROM (SELECT rules FROM documents WHERE kind = '{document}' ORDER BY version DESC LIMIT 1) AS latest
    CROSS JOIN LATERAL jsonb_array_elements(rules) AS rule
    """  # noqa: S608 -- names of this module


_TOPICS: Final = f"SELECT rule ->> 'key' {_rules_of('topics')} WHERE rule ->> 'kind' = 'topic'"
_PLACES: Final = _rules_of("places")
_STAGES: Final = f"SELECT rule ->> 'key' {_rules_of('lifecycle')}"
_IN_FORCE: Final[dict[Referenced, str]] = {
    "audiences": "SELECT name FROM ad_audiences WHERE retired_at IS NULL AND mirror IS NULL",
    # Without topics, a send has any category.
    "topics": f"""
        {_TOPICS} UNION VALUES ('{TRANSACTIONAL}'), ('{ONE_TIME_CODE}'), ('{SERVICE}')
        UNION SELECT named.key WHERE NOT EXISTS ({_TOPICS})
    """,
    # Without a life cycle, any stage may be compared. A word that was never a stage is another part of the condition.
    "stages": f"""
        {_STAGES}
        UNION SELECT named.key WHERE NOT EXISTS ({_STAGES}) OR NOT EXISTS (
          SELECT FROM documents CROSS JOIN LATERAL jsonb_array_elements(rules) AS rule
          WHERE kind = 'lifecycle' AND rule ->> 'key' = named.key)
    """,  # noqa: S608 -- a constant of this module
    "deployment values": f"SELECT rule ->> 'kind' {_rules_of('senders')} WHERE rule ->> 'kind' = 'postal_address'",
    "subscribed topics": _TOPICS,
    "computed traits": "SELECT key FROM computed_traits WHERE retired_at IS NULL",
    "segments": "SELECT key FROM segments WHERE retired_at IS NULL",
    "areas": f"SELECT rule ->> 'key' {_PLACES} WHERE rule ->> 'kind' = 'area'",
    "places": f"""
        SELECT rule ->> 'key' {_PLACES} WHERE rule ->> 'kind' = 'place'
        UNION SELECT jsonb_array_elements_text(rule -> 'tags') {_PLACES}
    """,
}


async def find_campaigns(
    connection: Connection, kind: Referenced, keys: Collection[str]
) -> dict[str, list[RuleReader]]:
    """Return the versions in use that name these, by key.

    Users enter them, or journeys are on them.
    """
    return await _find_campaigns(connection, kind, keys, are_among=True)


async def find_campaigns_beyond(
    connection: Connection, kind: Referenced, keys: Collection[str]
) -> dict[str, list[RuleReader]]:
    """Return the versions in use that name others than these, by key."""
    return await _find_campaigns(connection, kind, keys, are_among=False)


async def _find_campaigns(
    connection: Connection, kind: Referenced, keys: Collection[str], *, are_among: bool
) -> dict[str, list[RuleReader]]:
    used = [one for one in await campaigns.listening_versions(connection) if one.lets_in or one.has_journeys]
    cursor = await connection.execute(
        f"""
        SELECT key, campaign_key AS campaign, version
        FROM unnest(%s::text[], %s::int[]) AS used (campaign_key, version)
        JOIN campaign_versions USING (campaign_key, version)
        CROSS JOIN LATERAL ({_NAMED[kind]}) AS named
        WHERE (key = ANY(%s)) = %s ORDER BY key, campaign, version
        """,  # noqa: S608 -- a constant of this module
        ([one.campaign_key for one in used], [one.version for one in used], list(keys), are_among),
    )
    found: dict[str, list[RuleReader]] = {}
    async for row in cursor:
        found.setdefault(row["key"], []).append(RuleReader("campaign", row["campaign"], row["version"]))
    return found


async def find_missing(connection: Connection, kind: Referenced, campaign: str, version: int) -> list[str]:
    """Return the keys that a version names, and that are not in force."""
    cursor = await connection.execute(
        f"""
        SELECT key FROM campaign_versions CROSS JOIN LATERAL ({_NAMED[kind]}) AS named
        WHERE campaign_key = %s AND version = %s AND key NOT IN ({_IN_FORCE[kind]}) ORDER BY key
        """,  # noqa: S608 -- a constant of this module
        (campaign, version),
    )
    return [row["key"] async for row in cursor]
