"""Every change to a ledger written down in the order in which it was made, and each decision recounted from that.

Whatever touches a person's ledger holds the person's lock, so that the order of these notes is the order of the
transactions, as far as one could see anything of another.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from domain.campaign.durations import parse_duration
from domain.sending.caps import TRANSACTIONAL, CapRule, CountedMessage
from store.database import Database
from tests.domain.sending.recount import crowded, is_allowed
from tests.engine.caps_campaigns import DEPLOYMENT_ZONE, SPECS, Spec

TICK = timedelta(microseconds=1)
COUNTING = ("reserved", "sending", "sent", "unknown")

_AUDIT = """
CREATE TABLE audit (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, profile_id uuid, kind text, row jsonb);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  noted jsonb := to_jsonb(NEW);
BEGIN
  INSERT INTO audit (profile_id, kind, row)
  VALUES (COALESCE(noted ->> 'profile_id', noted ->> 'id')::uuid, TG_TABLE_NAME, noted);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON profiles FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON messages FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER note AFTER INSERT OR UPDATE ON decisions FOR EACH ROW WHEN (NEW.kind = 'send') EXECUTE FUNCTION note();
"""


async def keep_audit(database: Database) -> None:
    """Begin to write everything down."""
    async with database.transaction() as connection:
        await connection.execute(_AUDIT)


_KINDS_SEEN = """
SELECT concat_ws(': ', row ->> 'outcome', row ->> 'reason') AS kind FROM audit WHERE kind = 'decisions'
UNION SELECT 'cancelled: ' || (row ->> 'reason') FROM audit WHERE kind = 'messages' AND row ->> 'state' = 'cancelled'
UNION SELECT 'put back' FROM audit AS cancelled JOIN audit AS later ON later.row ->> 'id' = cancelled.row ->> 'id'
WHERE cancelled.kind = 'messages' AND cancelled.row ->> 'state' = 'cancelled'
  AND later.kind = 'messages' AND later.row ->> 'state' = 'reserved' AND later.seq > cancelled.seq
"""


async def kinds_seen(database: Database) -> set[str]:
    """Return what has happened so far, by the names that a recount counts it under."""
    async with database.transaction() as connection:
        cursor = await connection.execute(_KINDS_SEEN)
        return {row["kind"] async for row in cursor}


@dataclass
class Findings:
    """What was wrong, in words, and how often what was decided."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


async def recount_all(database: Database, rules: Sequence[CapRule]) -> Findings:
    """Go through all notes and recount each decision and each hand-over."""
    findings = Findings()
    people: dict[UUID, _Person] = {}
    async with database.transaction() as connection:
        cursor = await connection.execute("SELECT profile_id, kind, row FROM audit ORDER BY seq")
        async for note in cursor:
            person = people.setdefault(note["profile_id"], _Person(rules, findings))
            person.hear(note["kind"], note["row"])
    for person in people.values():
        person.look_back()
    return findings


@dataclass
class _Message:
    state: str
    reason: str | None
    at: datetime
    expires_at: datetime
    counted: CountedMessage


class _Person:
    """A ledger as the notes have it so far, and the zone by then."""

    def __init__(self, rules: Sequence[CapRule], findings: Findings) -> None:
        self._rules = rules
        self._findings = findings
        self._traits: Mapping[str, Any] = {}
        self._ledger: dict[str, _Message] = {}
        self._granted: str | None = None

    def hear(self, kind: str, row: Mapping[str, Any]) -> None:
        self._check(self._granted is None or kind == "messages", "a grant without its message", self._granted)
        match kind:
            case "profiles":
                self._traits = row["traits"]
            case "messages":
                self._message(row)
            case "decisions":
                self._decision(row)

    def look_back(self) -> None:
        """Of the ledger as it is in the end: what may not stand together, does not, whoever was granted it when."""
        self._check(self._granted is None, "a grant without its message", self._granted)
        ledger = [message.counted for message in self._ledger.values() if message.state in COUNTING]
        for rule in self._rules:
            self._check(bool(rule.counts) or not crowded(rule, ledger), "crowded in the end", rule.name)

    def _message(self, row: Mapping[str, Any]) -> None:
        id, spec, at = row["id"], SPECS[row["campaign_key"]], datetime.fromisoformat(row["at"])
        before = self._ledger.get(id)
        if row["state"] == "reserved" and (before is None or before.state == "cancelled"):
            self._check(self._granted == id, "a message that nobody granted", id)
            postponed = before is None or before.reason == "send_window"
            self._check(postponed, "a message put back that was not postponed", id)
            self._findings.counts["put back" if before else "reserved"] += 1
            self._granted = None
        elif row["state"] == "sending" and (before is None or before.state in ("reserved", "sending")):
            self._findings.counts["claimed"] += 1
            self._check(at < datetime.fromisoformat(row["expires_at"]), "handed over too late", id)
            self._check(self._is_open(spec, at), "handed over in quiet hours", id, at, self._zone(spec))
        elif row["state"] == "cancelled":
            self._findings.counts[f"cancelled: {row['reason']}"] += 1
        self._check(before is None or at >= before.at or row["state"] == "reserved", "moved back", id)
        counted = CountedMessage(at, spec.channel, spec.category, spec.priority)
        self._ledger[id] = _Message(row["state"], row["reason"], at, datetime.fromisoformat(row["expires_at"]), counted)

    def _decision(self, row: Mapping[str, Any]) -> None:
        spec, at, answer = SPECS[row["campaign_key"]], datetime.fromisoformat(row["at"]), row["answer"]
        outcome, reason = row["outcome"], row["reason"]
        self._findings.counts[outcome if reason is None else f"{outcome}: {reason}"] += 1
        match outcome, reason:
            case "granted", None:
                self._check(self._is_open(spec, at), "granted in quiet hours", row)
                self._check(self._allowed(spec, at, at), "granted beyond a cap", row, self._rules_broken(spec, at))
                self._granted = answer["message_id"]
            case "deferred" | "refused", "send_window":
                self._check(not self._is_open(spec, at), "quiet hours without reason", row)
                opens = datetime.fromisoformat(row["data"].get("until") or row["data"]["opens_at"])
                self._check(self._is_open(spec, opens), "opens and is closed", row)
                self._check(not self._is_open(spec, opens - TICK), "opens earlier", row)
            case "deferred" | "refused", "capped":
                self._check(self._is_open(spec, at), "quiet hours come first", row)
                self._capped(spec, at, row)
            case "refused", "expired":
                reached_at = datetime.fromisoformat(row["data"]["reached_at"])
                late = at - reached_at >= timedelta(seconds=parse_duration(spec.expires))
                self._check(late, "expired too early", row)
            case _:
                self._check(False, "an answer that nothing led to", row)

    def _capped(self, spec: Spec, at: datetime, row: Mapping[str, Any]) -> None:
        self._check(not self._allowed(spec, at, at), "capped without reason", row)
        frees_at = datetime.fromisoformat(row["data"]["frees_at"])
        self._check(self._allowed(spec, at, frees_at), "not free at the instant named", row)
        self._check(not self._allowed(spec, at, frees_at - TICK), "free before the instant named", row)
        self._check(spec.on_capped == "wait" or row["outcome"] == "refused", "waits and should not", row)
        if row["outcome"] == "deferred":
            until = datetime.fromisoformat(row["data"]["until"])
            may_go = self._is_open(spec, until) and self._allowed(spec, at, until)
            may_go_before = self._is_open(spec, until - TICK) and self._allowed(spec, at, until - TICK)
            self._check(may_go and not may_go_before, "does not wait until it may go", row)

    def _allowed(self, spec: Spec, asked_at: datetime, at: datetime) -> bool:
        """Whether all rules let it go at an instant, by the ledger as it stood when it was asked for."""
        asked = CountedMessage(at, spec.channel, spec.category, spec.priority)
        return is_allowed(self._rules, self._standing(asked_at), asked, self._zone(spec))

    def _standing(self, asked_at: datetime) -> list[CountedMessage]:
        """What counts; what may still be handed over, as if it were now, or when it expires."""
        status = []
        for message in self._ledger.values():
            if message.state not in COUNTING:
                continue
            at = message.at
            if message.state in ("reserved", "sending"):
                at = max(at, min(message.expires_at, asked_at))
            counted = message.counted
            status.append(CountedMessage(at, counted.channel, counted.category, counted.priority))
        return status

    def _rules_broken(self, spec: Spec, at: datetime) -> list[str]:
        asked = CountedMessage(at, spec.channel, spec.category, spec.priority)
        ledger = self._standing(at)
        return [rule.name for rule in self._rules if not is_allowed([rule], ledger, asked, self._zone(spec))]

    def _is_open(self, spec: Spec, at: datetime) -> bool:
        """None of these windows crosses midnight, and no clock turns while one is open."""
        if spec.opens is None or spec.closes is None or spec.category == TRANSACTIONAL:
            return True
        return spec.opens <= at.astimezone(self._zone(spec)).time() < spec.closes

    def _zone(self, spec: Spec) -> ZoneInfo:
        return ZoneInfo(self._traits.get("timezone") or spec.timezone or DEPLOYMENT_ZONE)

    def _check(self, holds: bool, said: str, *about: object) -> None:
        if not holds:
            self._findings.wrong.append(f"{said}: {about}")
