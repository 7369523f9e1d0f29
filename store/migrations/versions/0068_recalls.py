"""Messages that can be taken back from their providers."""

from alembic import op

revision = "0068"
down_revision = "0067"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE recalls (
          message_id UUID PRIMARY KEY,
          journey_id UUID NOT NULL,
          channel TEXT NOT NULL,
          provider TEXT NOT NULL,
          possible_until TIMESTAMP WITH TIME ZONE NOT NULL,
          attempts INTEGER NOT NULL DEFAULT 0,
          due_at TIMESTAMP WITH TIME ZONE
        );
        CREATE INDEX recalls_journey_id ON recalls (journey_id);
        CREATE INDEX recalls_due_at ON recalls (due_at) WHERE due_at IS NOT NULL;
        CREATE FUNCTION want_messages_back() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          UPDATE recalls SET due_at = clock_timestamp() WHERE journey_id = NEW.id AND due_at IS NULL;
          RETURN NULL;
        END $$;
        CREATE TRIGGER journeys_exited AFTER UPDATE OF state ON journeys
          FOR EACH ROW WHEN (NEW.state = 'exited' AND OLD.state = 'active') EXECUTE FUNCTION want_messages_back();
        """
    )


def downgrade() -> None:
    op.execute("DROP TRIGGER journeys_exited ON journeys; DROP FUNCTION want_messages_back(); DROP TABLE recalls")
