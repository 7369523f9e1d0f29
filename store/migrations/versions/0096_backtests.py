"""Backtests by the API, with their reports; and operations that have failed."""

from alembic import op

revision = "0096"
down_revision = "0095"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _allow("'pending', 'running', 'held', 'done', 'cancelled', 'failed'", "'done', 'cancelled', 'failed'")
    op.execute(
        """
        CREATE TABLE backtests (
          operation_id UUID NOT NULL,
          request JSONB NOT NULL,
          since TIMESTAMPTZ NOT NULL,
          until TIMESTAMPTZ NOT NULL,
          attempts INTEGER NOT NULL DEFAULT 0,
          report JSONB,
          PRIMARY KEY (operation_id),
          FOREIGN KEY (operation_id) REFERENCES operations (id)
        );
        CREATE TABLE backtest_people (
          operation_id UUID NOT NULL,
          number INTEGER NOT NULL,
          user_id TEXT NOT NULL,
          part TEXT NOT NULL,
          content JSONB NOT NULL,
          PRIMARY KEY (operation_id, number),
          FOREIGN KEY (operation_id) REFERENCES backtests (operation_id) ON DELETE CASCADE
        );
        CREATE INDEX backtest_people_user_id ON backtest_people (user_id)
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE backtest_people; DROP TABLE backtests")
    op.execute("UPDATE operations SET state = 'cancelled' WHERE state = 'failed'")
    _allow("'pending', 'running', 'held', 'done', 'cancelled'", "'done', 'cancelled'")


def _allow(states: str, finished: str) -> None:
    op.execute(
        f"""
        ALTER TABLE operations
          DROP CONSTRAINT operations_state,
          ADD CONSTRAINT operations_state CHECK (state IN ({states})),
          DROP CONSTRAINT operations_finished_at,
          ADD CONSTRAINT operations_finished_at CHECK ((state IN ({finished})) = (finished_at IS NOT NULL))
        """
    )
