"""Merges, their undoing and erasures of people, for readers of the stream."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE moved_profiles (
          source_id UUID NOT NULL,
          id UUID NOT NULL DEFAULT uuidv7(),
          outcome TEXT NOT NULL,
          target_id UUID,
          recorded_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
          recorded_xid BIGINT NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
          PRIMARY KEY (source_id, id)
        );
        CREATE INDEX moved_profiles_recorded_xid ON moved_profiles (recorded_xid);
        """
    )
    # The rest of the transaction decides: a merge deletes a profile as well, and the undo of one makes it anew.
    op.execute(
        """
        CREATE FUNCTION record_moved_profile() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          source uuid;
          owner uuid;
        BEGIN
          IF TG_TABLE_NAME = 'profiles' THEN
            source := OLD.id;
          ELSIF TG_OP = 'DELETE' THEN
            source := OLD.source_id;
          ELSE
            source := NEW.source_id;
          END IF;
          SELECT profile_id INTO owner FROM profile_merges WHERE source_id = source;
          IF TG_TABLE_NAME = 'profiles' AND owner IS NOT NULL THEN
            RETURN NULL;
          END IF;
          INSERT INTO moved_profiles (source_id, outcome, target_id)
          SELECT source, outcome, owner
          FROM (SELECT CASE WHEN owner IS NOT NULL THEN 'merged'
                            WHEN EXISTS (SELECT FROM profiles WHERE profiles.id = source) THEN 'separated'
                            ELSE 'erased' END AS outcome) AS decided;
          RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER profiles_deleted AFTER DELETE ON profiles
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION record_moved_profile();
        CREATE CONSTRAINT TRIGGER profile_merges_changed
          AFTER INSERT OR DELETE OR UPDATE OF profile_id ON profile_merges
          DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION record_moved_profile();
        """
    )
