"""Counts of answers to surveys, and of the messages that asked."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from msgspec import Struct, convert

from domain.surveys.results import AnswerCount, Grouping, ShownCount
from domain.surveys.survey import QuestionOutline
from store.arms import IS_ARM
from store.database import Connection


class SurveyVersion(Struct, frozen=True):
    """The surveys of a version of a campaign: its questions by template."""

    campaign: str
    version: int
    surveys: dict[str, tuple[QuestionOutline, ...]]


class AnswerFilter(Struct, frozen=True):
    """The answers to a template in some campaigns, and of a time."""

    template: str
    campaigns: Sequence[str]
    begin: datetime | None = None
    end: datetime | None = None


class TextAnswer(Struct, frozen=True):
    """The text of a person.

    `anonymous_id` is the first, of a person without a user id.
    """

    message_id: UUID
    question: str
    campaign: str
    text: str
    at: datetime
    profile_id: UUID
    user_id: str | None
    anonymous_id: str | None


class TextPosition(NamedTuple):
    """The place of a text in their list."""

    at: datetime
    message_id: UUID
    question: str


class SurveyRef(NamedTuple):
    """The survey of a template in a campaign."""

    template: str
    campaign: str


class RecentAnswers(Struct, frozen=True):
    """The messages of a survey that were answered in a period, and its last answer."""

    answered: int
    last_at: datetime | None


# A page tells the time of an answer by its own clock, which may be behind that of the message.
MAX_CLOCK_ERROR: Final = "1 day"
# How rows of `asked` are told apart: more tables, and the name of the group. A row may be in several groups.
_GROUPS: Final[Mapping[Grouping | Literal["all"], tuple[str, str]]] = {
    "all": ("", "''"),
    "campaign": ("", "asked.campaign_key"),
    "version": ("", "asked.campaign_key || ' ' || asked.campaign_version"),
    "channel": ("", "asked.channel"),
    "arm": ("CROSS JOIN LATERAL jsonb_each_text(asked.arms) AS arm (split, name)", "split || ': ' || arm.name"),
    "segment": (
        """
        JOIN segment_members ON segment_members.profile_id = asked.profile_id
        JOIN segments ON segments.id = segment_id AND retired_at IS NULL
        """,
        "segments.key",
    ),
}
_ANSWERS: Final = """
survey_answers AS asked
WHERE template = %(template)s AND campaign_key = ANY(%(campaigns)s)
  AND at >= %(begin)s::timestamptz AND at < %(end)s::timestamptz
"""


async def list_versions(connection: Connection) -> list[SurveyVersion]:
    """Return the versions with surveys, the latest of each campaign first."""
    cursor = await connection.execute(
        """
        SELECT campaign_key AS campaign, version, rules -> 'surveys' AS surveys FROM campaign_versions
        WHERE rules ? 'surveys' ORDER BY campaign_key, version DESC
        """
    )
    return [convert(row, SurveyVersion) async for row in cursor]


async def count_recent(
    connection: Connection, surveys: Collection[SurveyRef], begin: datetime
) -> dict[SurveyRef, RecentAnswers]:
    """Count the messages of surveys that were answered since an instant."""
    cursor = await connection.execute(
        """
        SELECT template, campaign,
               (SELECT count(DISTINCT message_id) FROM survey_answers AS answers
                WHERE answers.template = survey.template AND campaign_key = campaign AND at >= %s) AS answered,
               (SELECT max(at) FROM survey_answers AS answers
                WHERE answers.template = survey.template AND campaign_key = campaign) AS last_at
        FROM unnest(%s::text[], %s::text[]) AS survey (template, campaign)
        """,
        (begin, [one.template for one in surveys], [one.campaign for one in surveys]),
    )
    return {
        SurveyRef(row["template"], row["campaign"]): RecentAnswers(row["answered"], row["last_at"])
        async for row in cursor
    }


async def count_answers(connection: Connection, which: AnswerFilter, by: Grouping | None) -> list[AnswerCount]:
    """Count the answers to each question, and of each value."""
    join, group = _GROUPS[by or "all"]
    cursor = await connection.execute(
        f"""
        WITH asked AS (SELECT * FROM {_ANSWERS}),
        grouped AS (SELECT {group} AS "group", question, type, score, choices FROM asked {join})
        SELECT "group", question, type, NULL::int AS score, NULL AS choice, count(*) AS number
        FROM grouped GROUP BY 1, 2, 3
        UNION ALL
        SELECT "group", question, type, score, choice, count(*)
        FROM grouped LEFT JOIN LATERAL unnest(choices) AS choice ON true
        WHERE score IS NOT NULL OR choice IS NOT NULL GROUP BY 1, 2, 3, 4, 5
        """,  # noqa: S608 -- constants of this module
        _parameters(which),
    )
    return [convert(row, AnswerCount) async for row in cursor]


async def count_shown(
    connection: Connection, which: AnswerFilter, by: Grouping | None, waiting: Collection[str]
) -> list[ShownCount]:
    """Count the messages of a time that were shown, and those with an answer.

    On the channels of `waiting`, a message is of the time at which it was given to a page or an app, and is shown when
    that says so; on others, it is of the time at which it was sent, and is shown unless it bounced.
    """
    join, group = _GROUPS[by or "all"]
    arms = f"""
    COALESCE((SELECT jsonb_object_agg(decisions.step, outcome ORDER BY recorded_at) FROM decisions
              WHERE decisions.journey_id = messages.journey_id AND {IS_ARM} AND recorded_at < reserved_at), '{{}}')
    """  # noqa: S608 -- a constant of the store
    cursor = await connection.execute(
        f"""
        WITH asked AS (
          SELECT messages.id, messages.profile_id, messages.campaign_key, messages.channel,
                 COALESCE(retry_version, journeys.campaign_version) AS campaign_version,
                 {arms if by == "arm" else "NULL::jsonb"} AS arms
          FROM messages JOIN journeys ON journeys.id = messages.journey_id
          WHERE messages.campaign_key = ANY(%(campaigns)s) AND messages.template = %(template)s
            AND COALESCE(given_at, messages.at) >= %(begin)s::timestamptz
            AND COALESCE(given_at, messages.at) < %(end)s::timestamptz
            AND CASE WHEN messages.channel = ANY(%(waiting)s) THEN opened_at IS NOT NULL
                     ELSE messages.state = 'sent' AND bounced_at IS NULL END
        ),
        answered AS (
          SELECT DISTINCT message_id FROM survey_answers
          WHERE template = %(template)s AND campaign_key = ANY(%(campaigns)s)
            AND at >= %(begin)s::timestamptz - interval '{MAX_CLOCK_ERROR}'
        )
        SELECT {group} AS "group", count(*) AS shown, count(message_id) AS answered
        FROM asked LEFT JOIN answered ON message_id = asked.id {join}
        GROUP BY 1
        """,  # noqa: S608 -- constants of this module
        {**_parameters(which), "waiting": list(waiting)},
    )
    return [ShownCount(**row) async for row in cursor]


async def page_texts(
    connection: Connection, which: AnswerFilter, question: str | None, after: TextPosition | None, limit: int
) -> list[TextAnswer]:
    """Return texts behind a place, the latest first."""
    # A condition that a plan for all places could not skip would have it read all texts before this one.
    behind = "" if after is None else "AND (at, message_id, question) < (%(at)s::timestamptz, %(id)s, %(after)s)"
    cursor = await connection.execute(
        f"""
        SELECT message_id, question, campaign_key AS campaign, text, at, profile_id, user_id,
               CASE WHEN user_id IS NULL
                    THEN (SELECT min(value) FROM identities
                          WHERE identities.profile_id = asked.profile_id AND kind = 'anonymous') END AS anonymous_id
        FROM (SELECT * FROM {_ANSWERS} AND text IS NOT NULL AND (%(question)s::text IS NULL OR question = %(question)s)
              {behind}
              ORDER BY at DESC, message_id DESC, question DESC LIMIT %(limit)s) AS asked
        JOIN profiles ON profiles.id = asked.profile_id
        ORDER BY at DESC, message_id DESC, question DESC
        """,  # noqa: S608 -- a constant of this module
        {
            **_parameters(which),
            "question": question,
            **({} if after is None else {"at": after.at, "id": after.message_id, "after": after.question}),
            "limit": limit,
        },
    )
    return [TextAnswer(**row) async for row in cursor]


def _parameters(which: AnswerFilter) -> dict[str, Any]:
    return {
        "template": which.template,
        "campaigns": list(which.campaigns),
        "begin": which.begin or "-infinity",
        "end": which.end or "infinity",
    }
