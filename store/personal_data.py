"""Where personal data lives: each column of each table, and what becomes of it.

A test compares this with the schema, so that a new column is decided about.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct, field

from store.events import CLAIMED_ID

# Rows are deleted by the erasure's pages, or with the profile in the last one; texts that name the person are
# replaced where the rest of the row is not theirs.
ErasureFate = Literal["delete", "with_profile", "rewrite"]

# Conditions of the rows that are about a person. %(texts)s are the forms of their ids and addresses within texts.
_OWN: Final = "profile_id = %(profile_id)s"
_OF_MESSAGES: Final = "message_id IN (SELECT id FROM messages WHERE profile_id = %(profile_id)s)"
_OF_EVENTS: Final = f"""
(source, message_id) IN (
  SELECT used.source, used.message_id FROM events AS own
  JOIN message_ids AS used ON used.source = own.source AND used.message_id = {CLAIMED_ID}
  WHERE own.profile_id = %(profile_id)s LIMIT %(limit)s)
"""  # noqa: S608 -- a constant of the store
_OF_JOURNEYS: Final = "workflow_id IN (SELECT workflow_id FROM journeys WHERE profile_id = %(profile_id)s)"
NAMES_PERSON: Final = "EXISTS (SELECT FROM unnest(%(texts)s::text[]) AS form WHERE strpos(lower({}), lower(form)) > 0)"
# A name of a property, such as `scores.u-1` or `scores[].u-1`, or of an event, with an id in it.
_IN_NAME: Final = """
EXISTS (SELECT FROM unnest(%(values)s::text[] || %(addresses)s::text[]) AS value
        WHERE strpos('.' || lower(replace({}, '[]', '')) || '.', '.' || lower(value) || '.') > 0)
"""
NAMED_PROPERTY: Final = _IN_NAME.format("path")
NAMED_EVENT: Final = _IN_NAME.format("name")
_ANSWER: Final = "convert_from(body, 'UTF8')"
_BY_ID: Final = "(user_id = ANY(%(values)s) OR anonymous_id = ANY(%(values)s))"


class PersonalTable(Struct, frozen=True):
    """A table with personal data.

    `where` finds a person's rows. `exported` are the columns that the person is given, `internal` the others.
    """

    name: str
    where: str
    exported: Sequence[str]
    internal: Sequence[str]
    fate: ErasureFate = "delete"

    @property
    def columns(self) -> set[str]:
        """All columns of the table."""
        return {*self.exported, *self.internal}


def _table(name: str, where: str, exported: str, internal: str = "", fate: ErasureFate = "delete") -> PersonalTable:
    return PersonalTable(name, where, exported.split(), internal.split(), fate)


# In the order of an erasure: rows that lead to others come after these.
PERSONAL_TABLES: Final[Sequence[PersonalTable]] = (
    _table(
        "message_changes",
        _OF_MESSAGES,
        "message_id state reason recorded_at",
        "id at channel provider category priority recorded_xid",
    ),
    _table("link_hits", _OF_MESSAGES, "message_id number link at is_person", "id client is_head is_confirmed due_at"),
    _table("tracked_links", _OF_MESSAGES, "message_id targets"),
    _table("message_surveys", _OF_MESSAGES, "message_id content", "recorded_at"),
    _table(
        "survey_answers",
        _OWN,
        "message_id question campaign_key step channel template type score choices text at",
        "profile_id journey_id campaign_version arms recorded_at",
    ),
    _table("deliveries", _OF_MESSAGES, "message_id channel address provider state reason detail provider_id at"),
    _table(
        "conversions",
        _OWN,
        "journey_id campaign_key campaign_version event_id message_id arms at",
        "profile_id recorded_at recorded_xid",
    ),
    _table(
        "decisions",
        _OWN,
        "id campaign_key journey_id event_id step kind outcome reason data at",
        "profile_id rule answer recorded_at recorded_xid",
    ),
    _table(
        "inbox",
        _OWN,
        "message_id kind placement content expires_at shows completed_at",
        "profile_id journey_id seq priority every size displaced_at",
    ),
    _table(
        "messages",
        _OWN,
        """
        id journey_id campaign_key step channel category template state at reason detail address settled_at delivered_at
        opened_at clicked_at clicked_link bounced_at bounce complained_at replied_at dismissed_at machine_at given_at
        """,
        """
        profile_id visit priority expires_at attempts provider_id reserved_at claimed_at first_claimed_at provider
        first_handed_over_at retry_of retry_version retried_by fallback_of cost currency charges is_counted
        """,
    ),
    _table("holds", _OWN, "id id_kind id_value until event reason placed_at ended_at", "profile_id placed_by ended_by"),
    _table("message_ids", _OF_EVENTS, "", "source message_id event_id received_at"),
    _table(
        "events",
        _OWN,
        """
        id source message_id type name user_id anonymous_id previous_id group_id properties context timestamp
        received_at
        """,
        "profile_id reported_timestamp integrations is_history trust recorded_at recorded_xid",
    ),
    _table(
        "outbox",
        _OF_JOURNEYS,
        "",
        "id workflow_id kind payload priority partition created_at available_at attempts last_error",
    ),
    _table(
        "journeys",
        _OWN,
        """
        id campaign_key campaign_version account_id entry_key state outcome entry step status wakes_at saved entered_at
        ended_at
        """,
        "profile_id workflow_id ended_by moves since via ended_recorded_at recorded_at",
    ),
    _table("profile_changes", _OWN, "id part changes source source_name source_id at proof", "profile_id recorded_at"),
    _table(
        "rejects",
        f"({_BY_ID} OR {NAMES_PERSON.format('body')})",
        "received_at source message_id user_id anonymous_id part error body",
        "id recorded_at position event_id unrecorded",
    ),
    _table(
        "idempotency_keys",
        f"({NAMES_PERSON.format(_ANSWER)} OR {NAMES_PERSON.format('headers::text')})",
        "",
        "actor key request_hash status headers body created_at",
    ),
    _table(
        "audit_log",
        f"(target = ANY(%(values)s) OR {NAMES_PERSON.format('data::text')})",
        "",
        "id at actor actor_name action target data",
        "rewrite",
    ),
    _table("backtest_people", "user_id = ANY(%(values)s)", "user_id part content", "operation_id number"),
    _table(
        "backtests",
        f"report IS NOT NULL AND {NAMES_PERSON.format('report::text')}",
        "",
        "operation_id request since until attempts report",
        "rewrite",
    ),
    _table(
        "operations",
        f"finished_at IS NOT NULL AND {NAMES_PERSON.format('parameters::text')}",
        "",
        """
        id campaign_key kind state parameters audience_run cursor total done counts requested_by created_at started_at
        finished_at next_page_at failures last_error
        """,
        "rewrite",
    ),
    _table(
        "reconciliations",
        NAMES_PERSON.format("report::text"),
        "",
        "id state requested_by report created_at started_at finished_at",
        "rewrite",
    ),
    _table(
        "seen_events",
        f"({NAMED_EVENT} OR EXISTS (SELECT FROM jsonb_object_keys(properties) AS path WHERE {NAMED_PROPERTY}))",
        "",
        "source type is_rest name first_at last_at count days properties more_properties",
        "rewrite",
    ),
    _table(
        "violations",
        f"({NAMED_EVENT} OR {NAMED_PROPERTY})",
        "",
        "source type name kind path detail count first_at last_at last_event_id",
    ),
    _table("profile_states", _OWN, "state segments", "profile_id next_at is_partial judged judged_at"),
    # A trigger keeps the hashes that the platform has, until they are removed there.
    _table(
        "ad_audience_members",
        _OWN,
        "audience_id journey_id reason changed_at held failure",
        "profile_id version due_at",
    ),
    _table("ad_audience_marks", _OWN, "", "id profile_id has_moved marked_at"),
    _table("segment_members", _OWN, "segment_id since", "profile_id"),
    _table("segment_changes", _OWN, "segment_id has_joined at cause", "id profile_id recorded_at"),
    _table(
        "profile_activity",
        _OWN,
        "first_seen last_seen sessions session_started_at ended_at marks",
        "profile_id ends_at opened",
    ),
    _table("marked_people", _OWN, "", "id profile_id marked_at"),
    _table("session_reports", _OWN, "", "id profile_id started_at last_at platform"),
    _table(
        "devices",
        _OWN,
        "id platform app app_version os os_version model locale timezone first_seen last_seen",
        "profile_id",
    ),
    _table(
        "device_addresses",
        _OWN,
        "value kind app device_id environment seen_at registered_at removed_at removed_reason",
        "profile_id keys",
    ),
    _table("account_members", _OWN, "account_id is_member role", "profile_id said said_at"),
    _table("identities", _OWN, "kind value is_former", "profile_id", "with_profile"),
    _table("profile_merges", _OWN, "source_user_id merged_by at", "source_id target_id profile_id snapshot"),
    # The refusals of an address outlive its person, as a hash.
    _table(
        "addresses",
        "(channel, value) IN (SELECT * FROM unnest(%(channels)s::text[], %(addresses)s::text[]))",
        "channel app value refusals said wrote",
        "created_at",
        "with_profile",
    ),
    _table("erasures", _OWN, "", "operation_id profile_id identities addresses erased_at phase", "with_profile"),
    _table(
        "profiles",
        "id = %(profile_id)s",
        "id user_id traits consent suppressed preferences context stage said addresses claims created_at updated_at",
        "bucket",
        "with_profile",
    ),
)


class ImpersonalTable(Struct, frozen=True):
    """A table without personal data, and why it has none."""

    columns: Sequence[str]
    why: str = field(default="")


def _without(columns: str, why: str) -> ImpersonalTable:
    return ImpersonalTable(columns.split(), why)


IMPERSONAL_TABLES: Final[Mapping[str, ImpersonalTable]] = {
    "accounts": _without("id traits said created_at updated_at", "of groups of people, not of one"),
    "ad_audiences": _without(
        """
        id name provider list_id mirror identifiers channels has_user_ids retired_at flush_at leased_until flushed_at
        failure failed_at
        """,
        "written by authors",
    ),
    "ad_audience_leftovers": _without(
        "id audience_id held after_upload since", "hashes of people who are gone, until the platform has removed them"
    ),
    "ad_audience_uploads": _without(
        "id audience_id action people invalid state request_id detail at asked_at", "numbers of people"
    ),
    "api_keys": _without(
        """
        id name scopes source secret_hash is_browser origins trust token_secrets created_by created_at expires_at
        revoked_at last_used_at
        """,
        "keys of servers and of sites",
    ),
    "campaigns": _without(
        """
        key name stage state running_version latest_version revision exiting period created_at updated_at
        """,
        "written by authors",
    ),
    "campaign_changes": _without(
        "id campaign_key state_before state running_version exiting changed_by actor recorded_at",
        "who changed a campaign",
    ),
    "approvals": _without(
        """
        id campaign_key version revision action parameters people requested_by requested_by_name requested_at expires_at
        decision decided_by decided_by_name decided_at
        """,
        "who let a campaign reach people, and numbers of them",
    ),
    "campaign_versions": _without(
        "campaign_key version name stage file source templates compiled_bodies plan rules published_at",
        "written by authors",
    ),
    "attachment_files": _without("sha256 data stored_at", "attached by authors, the same for all recipients"),
    "version_attachments": _without("sha256 campaign_key version", "written by authors"),
    "recalls": _without(
        "message_id journey_id channel provider possible_until attempts due_at",
        "ids of messages that are taken back, also after an erasure",
    ),
    "callback_ids": _without(
        "provider event_id received_at", "ids of providers' reports and of copies of replies, for 30 days"
    ),
    "clock_offset": _without("only_row ahead", "of the deployment"),
    "computed_traits": _without("id key rule active_from ready_at retired_at is_watched", "written by authors"),
    "console_sessions": _without(
        "id digest actor_id actor_name scopes how key_id created_at expires_at revoked_at",
        "of those who run the deployment, for 30 days",
    ),
    "documents": _without("kind version source rules created_by created_at", "written by authors"),
    "erased_ids": _without("hash erased_at operation_id", "keyed hashes, for 30 days"),
    "erased_refusals": _without("hash refusals said", "keyed hashes of addresses, for good"),
    "erasure_key": _without("only_row inner_pad outer_pad", "the key of the hashes"),
    "moved_profiles": _without(
        "source_id id outcome target_id recorded_at recorded_xid",
        "ids alone: readers of the stream erase as well",
    ),
    "segments": _without(
        "id key name version source rule revision applied_by active_from ready_at retired_at", "written by authors"
    ),
    "segment_counts": _without("id segment_id change", "numbers of people"),
    "daily_counts": _without(
        "day campaign_key version kind step outcome reason rule channel provider category priority taken_by number",
        "numbers of many people",
    ),
    "journey_moves": _without(
        "campaign_key from_version from_step from_status from_outcome via version step status outcome number",
        "numbers of journeys",
    ),
    "journey_move_changes": _without(
        "id campaign_key from_version from_step from_status from_outcome via version step status outcome number",
        "numbers of journeys",
    ),
    "delivery_counts": _without(
        """
        provider domain since sent delivered hard_bounced soft_bounced complained opened clicked refused
        complained_by_mail
        """,
        "numbers of messages; rare domains are counted as `other`",
    ),
    "delivery_count_changes": _without(
        """
        id provider domain since sent delivered hard_bounced soft_bounced complained opened clicked refused
        complained_by_mail
        """,
        "numbers of messages; rare domains are counted as `other`",
    ),
    "provider_pauses": _without(
        "id provider cause number messages limit paused_at resumed_at resumed_by", "numbers of messages"
    ),
    "provider_circuits": _without("provider failures opened_at probe_at reason detail", "of providers"),
    "leases": _without("name key slot leased used", "sums of many messages"),
    "lease_returns": _without("id name key amount", "amounts alone"),
    "rfm_days": _without("day requested_at as_of population breakpoints", "numbers of many people by their scores"),
    "rfm_models": _without("as_of model kept_by", "parameters of a distribution of many people"),
    "registry": _without("only_row revision holds_until", "of the deployment"),
    "stream_consumers": _without("name xid kind id updated_at", "positions"),
    "stream_origin": _without("only_row system_identifier base", "of the database"),
    "subscription_requests": _without("hash since number", "keyed hashes, for a day"),
    "worker_reports": _without("worker reported_at findings link_mark", "of workers"),
}
