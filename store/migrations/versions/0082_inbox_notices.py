"""Notices of inboxes by typed functions, also of refusals and holds."""

from alembic import op

revision = "0082"
down_revision = "0081"
branch_labels = None
depends_on = None

# A row of `journeys` may be large, so nothing but its id is read. Transition tables would keep every row of each update
# of journeys, of which few are exits. The tables are locked in the order in which transactions lock their rows.
NOTICES = """
LOCK TABLE documents, profiles, account_members, holds IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE journeys, messages, conversions IN ACCESS EXCLUSIVE MODE;

DROP TRIGGER journeys_withdrawn ON journeys;
DROP TRIGGER conversions_withdrawn ON conversions;
DROP TRIGGER messages_follow ON messages;
DROP FUNCTION notify_inboxes_of_journey();

CREATE FUNCTION notify_inboxes_of_exit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || profile_id) FROM inbox WHERE journey_id = NEW.id;
  RETURN NULL;
END $$;
CREATE TRIGGER journeys_withdrawn AFTER UPDATE OF state ON journeys
  FOR EACH ROW WHEN (NEW.state = 'exited' AND OLD.state IS DISTINCT FROM 'exited')
  EXECUTE FUNCTION notify_inboxes_of_exit();

CREATE FUNCTION notify_inboxes_of_conversions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || inbox.profile_id) FROM added JOIN inbox USING (journey_id);
  RETURN NULL;
END $$;
CREATE TRIGGER conversions_withdrawn AFTER INSERT ON conversions REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION notify_inboxes_of_conversions();

CREATE FUNCTION notify_inboxes_of_fallback() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || profile_id) FROM inbox WHERE journey_id = NEW.journey_id;
  RETURN NULL;
END $$;
CREATE TRIGGER messages_follow AFTER UPDATE OF state ON messages
  FOR EACH ROW WHEN (
    NEW.fallback_of IS NOT NULL
    AND (NEW.state IN ('sending', 'sent', 'unknown')) IS DISTINCT FROM (OLD.state IN ('sending', 'sent', 'unknown'))
  ) EXECUTE FUNCTION notify_inboxes_of_fallback();

CREATE FUNCTION notify_inbox_of_choice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || NEW.id) WHERE EXISTS (SELECT FROM inbox WHERE profile_id = NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER profiles_withdrawn AFTER UPDATE OF consent, suppressed, preferences ON profiles
  FOR EACH ROW WHEN (
    (NEW.consent, NEW.suppressed, NEW.preferences) IS DISTINCT FROM (OLD.consent, OLD.suppressed, OLD.preferences)
  ) EXECUTE FUNCTION notify_inbox_of_choice();

CREATE FUNCTION notify_inbox_of_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || NEW.profile_id)
  WHERE EXISTS (SELECT FROM inbox WHERE profile_id = NEW.profile_id);
  RETURN NULL;
END $$;
CREATE TRIGGER account_members_withdrawn AFTER UPDATE OF is_member ON account_members
  FOR EACH ROW WHEN (NEW.is_member IS DISTINCT FROM OLD.is_member) EXECUTE FUNCTION notify_inbox_of_member();

CREATE FUNCTION notify_inboxes_of_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', COALESCE('p:' || NEW.profile_id, 'h:' || NEW.id_value));
  RETURN NULL;
END $$;
CREATE TRIGGER holds_withdrawn AFTER INSERT OR UPDATE OF ended_at ON holds
  FOR EACH ROW EXECUTE FUNCTION notify_inboxes_of_hold();

CREATE FUNCTION notify_inboxes_of_topics() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'd:' || NEW.kind);
  RETURN NULL;
END $$;
CREATE TRIGGER documents_withdrawn AFTER INSERT ON documents
  FOR EACH ROW WHEN (NEW.kind = 'topics') EXECUTE FUNCTION notify_inboxes_of_topics();
"""
BEFORE = """
DROP TRIGGER documents_withdrawn ON documents;
DROP TRIGGER holds_withdrawn ON holds;
DROP TRIGGER account_members_withdrawn ON account_members;
DROP TRIGGER profiles_withdrawn ON profiles;
DROP TRIGGER messages_follow ON messages;
DROP TRIGGER conversions_withdrawn ON conversions;
DROP TRIGGER journeys_withdrawn ON journeys;
DROP FUNCTION notify_inboxes_of_topics();
DROP FUNCTION notify_inboxes_of_hold();
DROP FUNCTION notify_inbox_of_member();
DROP FUNCTION notify_inbox_of_choice();
DROP FUNCTION notify_inboxes_of_fallback();
DROP FUNCTION notify_inboxes_of_conversions();
DROP FUNCTION notify_inboxes_of_exit();

CREATE FUNCTION notify_inboxes_of_journey() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  journey UUID := to_jsonb(NEW) ->> TG_ARGV[0];
BEGIN
  PERFORM pg_notify('sojourn_inbox', 'p:' || profile_id)
  FROM (SELECT DISTINCT profile_id FROM inbox WHERE journey_id = journey) AS concerned;
  RETURN NULL;
END $$;
CREATE TRIGGER journeys_withdrawn AFTER UPDATE OF state ON journeys
  FOR EACH ROW WHEN (NEW.state = 'exited' AND OLD.state IS DISTINCT FROM 'exited')
  EXECUTE FUNCTION notify_inboxes_of_journey('id');
CREATE TRIGGER conversions_withdrawn AFTER INSERT ON conversions
  FOR EACH ROW EXECUTE FUNCTION notify_inboxes_of_journey('journey_id');
CREATE TRIGGER messages_follow AFTER UPDATE OF state ON messages
  FOR EACH ROW WHEN (
    NEW.fallback_of IS NOT NULL
    AND (NEW.state IN ('sending', 'sent', 'unknown')) IS DISTINCT FROM (OLD.state IN ('sending', 'sent', 'unknown'))
  ) EXECUTE FUNCTION notify_inboxes_of_journey('journey_id');
"""


def upgrade() -> None:
    op.execute(NOTICES)


def downgrade() -> None:
    op.execute(BEFORE)
