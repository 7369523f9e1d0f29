"""One clock for arrivals, the outbox and schedules, adjustable in development."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

CHANGES = """
CREATE TABLE clock_offset (
    only_row BOOLEAN DEFAULT true NOT NULL,
    ahead INTERVAL DEFAULT '00:00:00' NOT NULL,
    PRIMARY KEY (only_row),
    CONSTRAINT clock_offset_has_one_row CHECK (only_row)
);
INSERT INTO clock_offset DEFAULT VALUES;

CREATE FUNCTION stored_clock_offset() RETURNS interval LANGUAGE sql STABLE AS
$$ SELECT ahead FROM clock_offset $$;

-- Simple enough for the planner to put its text in its place: where the clock cannot be set, the table is never read.
CREATE FUNCTION clock_ahead() RETURNS interval LANGUAGE sql STABLE AS
$$ SELECT CASE WHEN current_setting('sojourn.clock', true) = 'adjustable' THEN stored_clock_offset()
               ELSE interval '0' END $$;

CREATE FUNCTION advance_clock(by interval) RETURNS timestamptz LANGUAGE plpgsql AS
$$ BEGIN
  IF current_setting('sojourn.clock', true) IS DISTINCT FROM 'adjustable' THEN
    RAISE EXCEPTION 'the clock of a deployment cannot be set; only that of a server for development can';
  END IF;
  UPDATE clock_offset SET ahead = ahead + by;
  RETURN clock_timestamp() + stored_clock_offset();
END $$;

ALTER TABLE outbox ALTER COLUMN created_at SET DEFAULT now() + clock_ahead();
ALTER TABLE outbox ALTER COLUMN available_at SET DEFAULT now() + clock_ahead();
"""


def upgrade() -> None:
    op.execute(CHANGES)
