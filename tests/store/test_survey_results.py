"""The list of surveys and their results read the messages and answers of their period, however many there are."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from domain.surveys.results import Grouping
from store import survey_results
from store.database import Connection, Database
from store.survey_results import AnswerFilter, SurveyRef, TextPosition

T = TypeVar("T")

MESSAGES = 24_000
START = datetime(2026, 1, 1, tzinfo=UTC)
# A message each minute, every other one with the survey of one of two campaigns. One in ten of these is answered by a
# grade, and one in a hundred by a text as well.
_FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO campaigns (key, name, state, running_version, latest_version)
SELECT key, key, 'running', 1, 1 FROM unnest(ARRAY['ask', 'ask-again', 'tell']) AS key;
INSERT INTO campaign_versions (campaign_key, version, name, file, source, templates, plan, rules)
SELECT key, version, key, '', '', '{}', '{}',
       CASE WHEN key <> 'tell' AND version = 1 THEN '{"surveys": {"nps": []}}'::jsonb ELSE '{}' END
FROM campaigns CROSS JOIN generate_series(1, 50) AS version;
INSERT INTO journeys (id, campaign_key, campaign_version, profile_id, workflow_id, state, outcome, entry, entered_at,
                      ended_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, key, 1, lpad(to_hex(n), 32, '0')::uuid, 'w' || n, 'completed', 'completed',
       '{}', at, at
FROM (SELECT n, CASE WHEN n % 2 = 0 THEN 'tell' WHEN n % 4 = 1 THEN 'ask' ELSE 'ask-again' END AS key,
             timestamptz '2026-01-01T00:00:00Z' + n * interval '1 minute' AS at
      FROM generate_series(1, MESSAGES) AS n) AS numbered;
INSERT INTO profiles (id, user_id) SELECT profile_id, workflow_id FROM journeys;
INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template, state, at,
                      expires_at, reserved_at)
SELECT id, id, profile_id, campaign_key, 'ask', 1, 'email', 'marketing',
       CASE campaign_key WHEN 'tell' THEN 'news' ELSE 'nps' END, 'sent', entered_at,
       entered_at + interval '7 days', entered_at
FROM journeys ORDER BY entered_at;
INSERT INTO decisions (id, profile_id, campaign_key, journey_id, step, kind, outcome, at, recorded_at)
SELECT id, profile_id, campaign_key, id, 'offer', 'split', 'with', entered_at, entered_at - interval '1 second'
FROM journeys;
INSERT INTO survey_answers (message_id, question, profile_id, journey_id, campaign_key, campaign_version, step, channel,
                            template, type, score, text, at)
SELECT id, question, profile_id, journey_id, campaign_key, 1, step, channel, template, question,
       CASE question WHEN 'nps' THEN 9 END, CASE question WHEN 'text' THEN 'Fine' END, at + interval '30 seconds'
FROM (SELECT *, row_number() OVER (ORDER BY at) AS n FROM messages WHERE template = 'nps') AS asked
JOIN (VALUES ('nps', 10), ('text', 100)) AS answer (question, every) ON n % every = 0;
"""
# Rows of the two ranges of pages that the period may touch, and of the last one, which has no entry in the index of the
# times of messages yet.
RANGES = 3 * 4_500


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Connection]:
    async with Database(database_url, pool_size=1) as database, database.transaction() as connection:
        await connection.execute(_FILL.replace("MESSAGES", str(MESSAGES)))
        await connection.execute("SELECT brin_summarize_new_values('messages_at')")
        await connection.execute("ANALYZE messages, journeys, decisions, survey_answers, campaign_versions, profiles")
        yield connection


def of_ten_hours(*campaigns: str) -> AnswerFilter:
    """The answers of 600 minutes in the middle, thus of 300 messages that ask."""
    begin = START + timedelta(minutes=12_000)
    return AnswerFilter("nps", campaigns or ("ask", "ask-again"), begin, begin + timedelta(hours=10))


async def count_read(connection: Connection, read: Callable[[], Awaitable[T]]) -> tuple[T, int]:
    """What a read finds, and how many rows of tables and indexes it has looked at."""
    asked: list[tuple[Any, ...]] = []
    execute = connection.execute

    async def noting_execute(*query: Any) -> object:
        asked.append(query)
        return await execute(*query)

    connection.execute = noting_execute  # type: ignore[method-assign, assignment]
    found = await read()
    connection.execute = execute  # type: ignore[method-assign]
    [(sql, *parameters)] = asked
    cursor = await execute(f"EXPLAIN (ANALYZE, TIMING off, FORMAT json) {sql}", *parameters)
    [row] = await cursor.fetchall()
    [plan] = row["QUERY PLAN"]
    return found, sum(map(rows_of, scans(plan["Plan"])))


def scans(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes that read tables; the entries of an index that a bitmap takes count with the rows that they lead to."""
    if node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"):
        yield node
    for child in node.get("Plans", ()):
        yield from scans(child)


def rows_of(node: dict[str, Any]) -> int:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


async def test_messages_that_were_shown_are_those_of_the_period(connection: Connection) -> None:
    groupings: list[Grouping | None] = [None, "version", "arm"]
    for by in groupings:
        counts, read = await count_read(
            connection, partial(survey_results.count_shown, connection, of_ten_hours(), by, ["in_app"])
        )
        assert (sum(one.shown for one in counts), sum(one.answered for one in counts)) == (300, 30)
        # The messages of their pages, their journeys and arms, and all later answers.
        assert read <= RANGES + 2 * 300 + MESSAGES // 40, (by, read)


async def test_a_message_in_the_app_is_of_the_time_at_which_a_page_was_given_it(connection: Connection) -> None:
    """Three that were put into the inbox before the period, two of which a page was given in it, and one later."""
    which = of_ten_hours("ask")
    await connection.execute(
        """
        UPDATE messages SET channel = 'in_app', given_at = %(begin)s + given * interval '1 hour',
               opened_at = %(begin)s + given * interval '1 hour'
        FROM (SELECT id, (row_number() OVER (ORDER BY at) - 1) * 6 AS given FROM messages
              WHERE campaign_key = 'ask' AND at < %(begin)s ORDER BY at LIMIT 3) AS waiting
        WHERE messages.id = waiting.id
        """,
        {"begin": which.begin},
    )
    # One that was put there in the period, and given to a page after it.
    await connection.execute(
        """
        UPDATE messages SET channel = 'in_app', given_at = %(end)s, opened_at = %(end)s
        WHERE id = (SELECT id FROM messages WHERE campaign_key = 'ask' AND at >= %(begin)s ORDER BY at LIMIT 1)
        """,
        {"begin": which.begin, "end": which.end},
    )
    [counts] = await survey_results.count_shown(connection, which, None, ["in_app"])
    assert counts.shown == 150 + 2 - 1


async def test_answers_are_those_of_the_period(connection: Connection) -> None:
    counts, read = await count_read(connection, lambda: survey_results.count_answers(connection, of_ten_hours(), None))
    assert sum(one.number for one in counts if one.score is None and one.choice is None) == 33
    assert read <= 40, read


async def test_the_list_reads_recent_answers_and_no_other_version(connection: Connection) -> None:
    # As if the other versions were large.
    await connection.execute("SET LOCAL enable_seqscan = off")
    versions, read = await count_read(connection, lambda: survey_results.list_versions(connection))
    assert ([one.campaign for one in versions], read) == (["ask", "ask-again"], 2)
    surveys = [SurveyRef("nps", one.campaign) for one in versions]
    begin = START + timedelta(minutes=MESSAGES - 600)
    recent, read = await count_read(connection, lambda: survey_results.count_recent(connection, surveys, begin))
    assert sum(one.answered for one in recent.values()) == 30
    assert read <= 40, read


async def test_a_page_of_texts_reads_no_grades(connection: Connection) -> None:
    which = AnswerFilter("nps", ("ask", "ask-again"))
    after: TextPosition | None = None
    for _ in range(2):
        texts, read = await count_read(
            connection, partial(survey_results.page_texts, connection, which, "text", after, 20)
        )
        assert (len(texts), read <= 2 * 20) == (20, True), read
        after = TextPosition(texts[-1].at, texts[-1].message_id, texts[-1].question)
