"""Find old addresses of devices; the keys of leases say what they are of."""

from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX device_addresses_seen_at ON device_addresses (seen_at);
        DELETE FROM leases;
        DELETE FROM lease_returns;
        """
    )
