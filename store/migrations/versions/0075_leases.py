"""One kind of lease for budgets and daily limits; recalls give cost back."""

from alembic import op

revision = "0075"
down_revision = "0074"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        ALTER TABLE budget_slots RENAME TO leases;
        ALTER TABLE leases RENAME COLUMN budget TO name;
        ALTER INDEX budget_slots_pkey RENAME TO leases_pkey;
        ALTER TABLE budget_returns RENAME TO lease_returns;
        ALTER TABLE lease_returns RENAME COLUMN budget TO name;
        ALTER TABLE lease_returns RENAME COLUMN micros TO amount;
        ALTER INDEX budget_returns_budget RENAME TO lease_returns_name;
        ALTER INDEX budget_returns_pkey RENAME TO lease_returns_pkey;
        ALTER SEQUENCE budget_returns_id_seq RENAME TO lease_returns_id_seq;
        INSERT INTO leases (name, key, slot, leased, used)
        SELECT 'warm-up:' || provider, to_char(day, 'YYYY-MM-DD'), slot, leased, used FROM provider_days;
        DROP TABLE provider_days;
        CREATE OR REPLACE FUNCTION return_message_charges() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO lease_returns (name, key, amount)
          SELECT budget, key, micros
          FROM jsonb_to_recordset(OLD.charges) AS item (budget text, key text, micros bigint);
          RETURN NULL;
        END $$;
        DROP TRIGGER messages_not_sent ON messages;
        CREATE TRIGGER messages_not_sent AFTER UPDATE OF state ON messages
          FOR EACH ROW WHEN (
            OLD.charges IS NOT NULL AND (
              OLD.state IN ('reserved', 'sending', 'unknown') AND NEW.state IN ('failed', 'cancelled')
              OR OLD.state = 'sent' AND NEW.state = 'cancelled'
            )
          ) EXECUTE FUNCTION return_message_charges();
        """
    )
