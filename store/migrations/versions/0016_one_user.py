"""One user id for a profile; profiles of their own for users joined by a race."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

# Traits cannot be attributed, so a separated user has none until the next identify, and is unreachable until then; the
# refusals of the shared profile hold for both.
SEPARATE = """
CREATE TEMPORARY TABLE separated ON COMMIT DROP AS
SELECT gen_random_uuid() AS id, identities.value AS user_id, profiles.id AS shared
FROM identities JOIN profiles ON profiles.id = identities.profile_id
WHERE identities.kind = 'user' AND identities.value IS DISTINCT FROM profiles.user_id;

INSERT INTO profiles (id, user_id, consent, suppressed)
SELECT separated.id, separated.user_id,
       COALESCE((SELECT jsonb_object_agg(key, value) FROM jsonb_each(consent) WHERE value = 'false'), '{}'), suppressed
FROM separated JOIN profiles ON profiles.id = shared;

UPDATE identities SET profile_id = separated.id
FROM separated WHERE identities.kind = 'user' AND identities.value = separated.user_id;

UPDATE events SET profile_id = separated.id
FROM separated WHERE events.profile_id = shared AND events.user_id = separated.user_id;

UPDATE journeys SET profile_id = separated.id
FROM separated WHERE journeys.profile_id = shared AND journeys.entry ->> 'user_id' = separated.user_id;
"""
FOLLOW = """
UPDATE {table} SET profile_id = separated.id
FROM separated JOIN journeys ON journeys.profile_id = separated.id
WHERE {table}.journey_id = journeys.id AND {table}.profile_id = shared
"""
LIMIT = "CREATE UNIQUE INDEX identities_one_user ON identities (profile_id) WHERE kind = 'user'"
STATEMENTS = (SEPARATE, *(FOLLOW.format(table=table) for table in ("messages", "decisions", "conversions")), LIMIT)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
