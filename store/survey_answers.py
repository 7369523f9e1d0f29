"""The surveys of messages, and the first answer to each of their questions."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from msgspec import convert, to_builtins
from psycopg.types.json import Jsonb

from domain.surveys.answers import ReportedAnswer, SurveyAnswer
from domain.surveys.survey import Survey
from store.arms import IS_ARM
from store.database import Connection

# The answers of a journey by step and question, the latest of several: an expression for statements that read
# `journeys`.
ANSWERS: Final = """
COALESCE((
  SELECT jsonb_object_agg(step, of_step)
  FROM (SELECT step, jsonb_object_agg(question, CASE type WHEN 'text' THEN to_jsonb(answers.text)
                                                          WHEN 'single' THEN to_jsonb(choices[1])
                                                          WHEN 'multi' THEN to_jsonb(choices)
                                                          ELSE to_jsonb(score) END ORDER BY at) AS of_step
        FROM survey_answers AS answers WHERE answers.journey_id = journeys.id GROUP BY step) AS steps
  ), '{}')
"""


async def keep_survey(connection: Connection, message_id: UUID, content: Mapping[str, Any]) -> None:
    """Keep the survey that a message links to; that of an earlier attempt stays."""
    await connection.execute(
        "INSERT INTO message_surveys (message_id, content) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        (message_id, Jsonb(content)),
    )


async def find_survey(connection: Connection, message_id: UUID) -> Survey | None:
    """Return the survey that a message links to; None without one."""
    cursor = await connection.execute("SELECT content FROM message_surveys WHERE message_id = %s", (message_id,))
    row = await cursor.fetchone()
    return None if row is None else convert(row["content"], Survey)


async def find_answers(connection: Connection, message_id: UUID) -> dict[str, SurveyAnswer]:
    """Return the answers to a message, by question."""
    cursor = await connection.execute(
        "SELECT question, type, score, choices, text FROM survey_answers WHERE message_id = %s", (message_id,)
    )
    return {row["question"]: convert(row, SurveyAnswer) async for row in cursor}


async def find_answered(connection: Connection, message_ids: Collection[UUID]) -> set[tuple[UUID, str]]:
    """Return the messages and their questions that are answered."""
    cursor = await connection.execute(
        "SELECT message_id, question FROM survey_answers WHERE message_id = ANY(%s)", (list(message_ids),)
    )
    return {(row["message_id"], row["question"]) async for row in cursor}


async def insert(connection: Connection, answers: Sequence[ReportedAnswer]) -> None:
    """Record answers to messages, which are locked; a known one stays."""
    await connection.execute(
        f"""
        INSERT INTO survey_answers (message_id, question, profile_id, journey_id, campaign_key, campaign_version, step,
                                    channel, template, arms, type, score, choices, text, at)
        SELECT messages.id, question, messages.profile_id, messages.journey_id, messages.campaign_key,
               COALESCE(messages.retry_version, journeys.campaign_version), first.step, messages.channel,
               messages.template,
               COALESCE((SELECT jsonb_object_agg(decisions.step, outcome ORDER BY recorded_at) FROM decisions
                         WHERE decisions.journey_id = messages.journey_id AND {IS_ARM}
                           AND recorded_at < messages.reserved_at), '{{}}'),
               type, score, choices, text, item.at
        FROM jsonb_to_recordset(%s) AS item (
          message_id uuid, question text, type text, score smallint, choices text[], text text, at timestamptz)
        JOIN messages ON messages.id = item.message_id
        JOIN messages AS first ON first.id = COALESCE(messages.fallback_of, messages.id)
        JOIN journeys ON journeys.id = messages.journey_id
        ORDER BY messages.id, question, item.at
        ON CONFLICT DO NOTHING
        """,  # noqa: S608 -- a constant of the store
        (Jsonb([{**to_builtins(one.answer), "message_id": one.message_id, "at": one.at} for one in answers]),),
    )
