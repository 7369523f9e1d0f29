"""Surveys: the questions of messages, and their answers."""

from sqlalchemy import ARRAY, Column, ForeignKey, Index, Integer, SmallInteger, Table, Text, Uuid
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from store.tables.columns import CLOCK, EMPTY_OBJECT, INSTANT, by_age, metadata

# The survey that a message links to, as its recipient gets it; that of a message in the app is in its inbox.
message_surveys = Table(
    "message_surveys",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("content", JSONB, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    by_age("message_surveys_recorded_at", "recorded_at"),
)

# The first answer to each question of a message, with its score, its choices or its text, and the arms of the splits
# that its journey had reached when it asked.
survey_answers = Table(
    "survey_answers",
    metadata,
    Column("message_id", Uuid, ForeignKey("messages.id"), primary_key=True),
    Column("question", Text, primary_key=True),
    Column("profile_id", Uuid, nullable=False),
    Column("journey_id", Uuid, nullable=False),
    Column("campaign_key", Text, nullable=False),
    Column("campaign_version", Integer, nullable=False),
    # The step of the first message, if a fallback asked.
    Column("step", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("arms", JSONB, nullable=False, server_default=EMPTY_OBJECT),
    Column("type", Text, nullable=False),
    Column("score", SmallInteger),
    Column("choices", ARRAY(Text)),
    Column("text", Text),
    Column("at", INSTANT, nullable=False),
    Column("recorded_at", INSTANT, nullable=False, server_default=CLOCK),
    Index("survey_answers_profile_id", "profile_id"),
    Index("survey_answers_journey_id", "journey_id"),
    Index("survey_answers_of_campaign", "template", "campaign_key", "at", "message_id"),
    Index("survey_answers_texts", "template", "at", "message_id", "question", postgresql_where=sql("text IS NOT NULL")),
    by_age("survey_answers_recorded_at", "recorded_at"),
)
