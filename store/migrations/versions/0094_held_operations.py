"""Operations that wait until another person has approved them."""

from alembic import op

revision = "0094"
down_revision = "0093"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _allow("'pending', 'running', 'held', 'done', 'cancelled'")


def downgrade() -> None:
    op.execute("UPDATE operations SET state = 'cancelled', finished_at = now() WHERE state = 'held'")
    _allow("'pending', 'running', 'done', 'cancelled'")


def _allow(states: str) -> None:
    op.execute(
        f"""
        ALTER TABLE operations DROP CONSTRAINT operations_state,
                               ADD CONSTRAINT operations_state CHECK (state IN ({states}))
        """
    )
