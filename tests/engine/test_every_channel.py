"""Consent, holds, windows, caps and priorities decide alike on every channel of the registry."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.deployment_documents import DeploymentDocuments
from application.device_registrations import DeviceRegistry
from application.holds import HoldRequest, Holds
from application.ingest import Ingest
from application.step_decisions import StepDecisions
from domain.access import SOJOURN
from domain.channels.kind import ChannelKind
from domain.channels.kinds import CHANNELS
from domain.deployment_documents import FREQUENCY_CAPS, PROVIDERS
from domain.journey.requests import AuthorizeRequest
from domain.people.device_addresses import DeviceAddress
from domain.people.identity import PersonRef
from domain.sending.gate_answers import Deferred, Granted, Held, Refused
from store.database import Database
from tests.engine.computed_harness import CHECKS
from tests.engine.ingesting import event
from tests.engine.positions import UNRECORDED

# 20:30 in New York: the window has closed, and no law forbids anything yet.
NOON, EVENING = datetime(2026, 12, 1, 17, tzinfo=UTC), datetime(2026, 12, 2, 1, 30, tzinfo=UTC)
OPENS = datetime(2026, 12, 2, 14, tzinfo=UTC)
WEEK = timedelta(days=7)
ADDRESSES = {
    "email": "ada@example.com",
    "phone": "+12125550123",
    "first_name": "Ada",
    "last_name": "Byron",
    "address": {"street": "1 Harbour Road", "city": "New York", "state": "NY", "postalCode": "10001", "country": "US"},
    "timezone": "America/New_York",
}
# All that a template of any channel may have; others than these are texts.
FIELDS = {
    "from": "shop@example.com",
    "url": "https://example.com/",
    "format": "letter",
    "kind": "banner",
    "to": "person@example.com",
}
CAMPAIGN = """
key: KEY
name: Any channel
entry: {event: Begun}
send_window: {from: "09:00", to: "20:00"}
steps:
  - {id: offer, send: {channel: CHANNEL, template: note, expires: 30d}}
  - {id: patient, send: {channel: CHANNEL, template: note, expires: 30d, on_capped: wait}}
  - {id: urgent, send: {channel: CHANNEL, template: note, expires: 30d, priority: high}}
  - {id: receipt, send: {channel: CHANNEL, template: note, expires: 30d, category: transactional}}
  - {id: now, send: {channel: CHANNEL, template: note, expires: 30d, at_once: true}}
"""
PEOPLE = ("ada", "capped", "elsewhere", "silent", "refusing", "suppressed", "on-hold", "nowhere")
MARKETING, TRANSACTIONAL = ("offer", "patient", "urgent", "now"), ("receipt",)
GRANTED = "granted"


def write_template(kind: ChannelKind) -> str:
    """A template with what the channel requires, and an unsubscribe link where it can be."""
    fields = {"channel": kind.name} | {name: FIELDS.get(name, "Hello") for name in kind.required}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    body = "<p>Hello</p><a href='{{ unsubscribe_url }}'>Unsubscribe</a>" if "html" in kind.composed else "text: Hello"
    return "\n".join(["---", *lines, "---", body, ""])


def key_of(channel: str) -> str:
    """The key of the campaign on a channel."""
    return f"on-{channel.replace('_', '-')}"


class Table:
    """The gate's answers about the people of PEOPLE, in the campaign of each channel."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gate = StepDecisions(database, Catalogue(), "UTC")
        self._journeys: dict[tuple[str, str], UUID] = {}

    async def prepare(self) -> None:
        documents = DeploymentDocuments(self._database, CHECKS)
        # Messages that wait in the inbox have no other provider.
        delivered = [name for name, kind in CHANNELS.items() if not kind.waits_for_person]
        providers = ", ".join(f"{name}: {{kind: console, channel: {name}}}" for name in delivered)
        await documents.put(PROVIDERS, f"providers: {{{providers}}}", "providers.yaml", by=SOJOURN)
        await documents.put(FREQUENCY_CAPS, "rules: [{name: one, limit: 1, per: 7d}]", "caps.yaml", by=SOJOURN)
        campaigns = Campaigns(self._database, CHECKS)
        for name, kind in CHANNELS.items():
            source = CAMPAIGN.replace("KEY", key_of(name)).replace("CHANNEL", name)
            await campaigns.publish(source, "campaign.yaml", {"note.liquid": write_template(kind)}, by=SOJOURN)
            await campaigns.start(key_of(name), by=SOJOURN)
        await self._enter()
        async with self._database.transaction() as connection:
            await connection.execute(
                "UPDATE profiles SET suppressed = %s WHERE user_id = 'suppressed'",
                (Jsonb(dict.fromkeys(CHANNELS, "asked us")),),
            )
            cursor = await connection.execute(
                "SELECT journeys.id, user_id, campaign_key FROM journeys JOIN profiles ON profiles.id = profile_id"
            )
            async for row in cursor:
                self._journeys[row["user_id"], row["campaign_key"]] = row["id"]

    async def _enter(self) -> None:
        """Everybody enters the campaign of each channel."""
        ingest, devices = Ingest(self._database, Catalogue()), DeviceRegistry(self._database)
        for user in PEOPLE:
            consent: Mapping[str, Any] = {} if user == "silent" else dict.fromkeys(CHANNELS, user != "refusing")
            traits: dict[str, Any] = {"timezone": ADDRESSES["timezone"]} if user == "nowhere" else ADDRESSES
            traits = {**traits, "consent": consent} | ({"email": f"{user}@example.com"} if "email" in traits else {})
            await ingest(
                [event("identify", user, at=NOON, **traits), event("track", user, name="Begun", at=NOON)],
                received_at=NOON,
            )
            if user != "nowhere":
                phone = DeviceAddress(value=f"token-of-{user}", kind="token", seen_at=NOON)
                await devices.register(PersonRef(user, "user"), phone)
        hold = HoldRequest(PersonRef("on-hold", "user"), NOON + 3 * WEEK, "a complaint")
        await Holds(self._database).place(hold, by=SOJOURN)

    async def ask(self, user: str, channel: str, step: str, at: datetime = NOON) -> str | tuple[str, Any]:
        """The answer: GRANTED, or why not, and until when."""
        request = AuthorizeRequest(self._journeys[user, key_of(channel)], step, 1, 1, NOON, at, None, UNRECORDED)
        match await self._gate.authorize(request):
            case Granted():
                return GRANTED
            case Deferred(until=until, reason=reason) | Held(until=until, reason=reason):
                return reason, until
            case Refused(reason=reason):
                return reason


async def forget_messages(database: Database) -> None:
    """Have no message and no decision count any more."""
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM messages")
        await connection.execute("DELETE FROM decisions")


async def test_the_same_rules_give_the_same_decisions_on_every_channel(database_url: str) -> None:
    async with Database(database_url, pool_size=2) as database:
        table = Table(database)
        await table.prepare()
        for name, kind in CHANNELS.items():

            async def ask(user: str, step: str, at: datetime = NOON, on: str = name) -> str | tuple[str, Any]:
                return await table.ask(user, on, step, at)

            await forget_messages(database)
            has_address = bool(kind.address_traits) or kind.uses_devices
            found = {
                "nothing is against it": await ask("ada", "offer"),
                "silence": await ask("silent", "offer"),
                "silence, transactional": await ask("silent", "receipt"),
                **{f"refused, {step}": await ask("refusing", step) for step in MARKETING},
                "refused, transactional": await ask("refusing", "receipt"),
                **{f"suppressed, {step}": await ask("suppressed", step) for step in (*MARKETING, *TRANSACTIONAL)},
                "no address": await ask("nowhere", "receipt"),
                **{f"on hold, {step}": await ask("on-hold", step) for step in ("offer", "now", "receipt")},
                # Nobody has had a message but for the one.
                "in the evening": await ask("elsewhere", "offer", EVENING),
                "in the evening, at once": await ask("elsewhere", "now", EVENING),
                "in the evening, transactional": await ask("elsewhere", "receipt", EVENING),
                "first of the week": await ask("capped", "offer"),
                "capped": await ask("capped", "now"),
                "capped, waits": await ask("capped", "patient"),
                "capped, urgent": await ask("capped", "urgent"),
                "capped, transactional": await ask("capped", "receipt"),
            }
            assert found == {
                "nothing is against it": GRANTED,
                "silence": GRANTED if kind.silence_allows else "no_consent",
                "silence, transactional": GRANTED,
                **{f"refused, {step}": "no_consent" for step in MARKETING},
                "refused, transactional": GRANTED,
                **{f"suppressed, {step}": "suppressed" for step in (*MARKETING, *TRANSACTIONAL)},
                "no address": "unreachable" if has_address else GRANTED,
                "on hold, offer": ("on_hold", NOON + 3 * WEEK),
                "on hold, now": "on_hold",
                "on hold, receipt": GRANTED,
                "in the evening": GRANTED if kind.waits_for_person else ("send_window", OPENS),
                "in the evening, at once": GRANTED if kind.waits_for_person else "send_window",
                "in the evening, transactional": GRANTED,
                "first of the week": GRANTED,
                # What waits for its person is asked about when it is given to them (test_inbox).
                "capped": GRANTED if kind.waits_for_person else "capped",
                "capped, waits": GRANTED if kind.waits_for_person else ("capped", NOON + WEEK),
                "capped, urgent": GRANTED,
                "capped, transactional": GRANTED,
            }, name
        # A message on one channel counts for the next one.
        counting = [name for name, kind in CHANNELS.items() if not kind.waits_for_person]
        for first, second in pairwise([*counting, counting[0]]):
            await forget_messages(database)
            assert await table.ask("ada", first, "offer") == GRANTED
            assert await table.ask("ada", second, "offer") == "capped", (first, second)
