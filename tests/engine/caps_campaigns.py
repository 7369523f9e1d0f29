"""Campaigns, caps, people and journeys for those who ask the gate at random, and for whoever recounts its answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID, uuid4

from application.campaigns import Campaigns
from application.catalogue import Catalogue
from application.deployment_documents import DeploymentDocuments
from application.ingest import Ingest
from domain.access import SOJOURN
from domain.campaign.plan import MessagePriority
from domain.deployment_documents import FREQUENCY_CAPS
from domain.tracking.event import CallType, Event
from store.database import Database
from tests.engine.computed_harness import CHECKS


@dataclass(frozen=True)
class Spec:
    """What a campaign sends, as the recount has to know it."""

    channel: str = "email"
    category: str = "marketing"
    priority: MessagePriority = "normal"
    on_capped: str = "skip"
    expires: str = "2d"
    opens: time | None = None
    closes: time | None = None
    timezone: str | None = None

    def source(self, key: str) -> str:
        lines = [f"key: {key}", f"name: {key}", "entry: {event: Begun, key: event.properties.number}"]
        if self.timezone is not None:
            lines.append(f"timezone: {self.timezone}")
        if self.opens and self.closes:
            lines.append(f'send_window: {{from: "{self.opens:%H:%M}", to: "{self.closes:%H:%M}"}}')
        names = ("channel", "category", "priority", "on_capped", "expires")
        send = ", ".join(f"{name}: {getattr(self, name)}" for name in names)
        lines.append(f"steps: [{{id: note, send: {{template: note, {send}}}}}]")
        return "\n".join(lines)


SPECS = {
    "promotion": Spec(),
    "news": Spec(category="news", on_capped="wait", opens=time(9), closes=time(21), timezone="Asia/Kolkata"),
    "hook": Spec(channel="webhook", on_capped="wait", expires="12h", opens=time(9), closes=time(18)),
    "receipt": Spec(channel="webhook", category="transactional"),
    "urgent": Spec(priority="high", opens=time(7), closes=time(22), expires="20h"),
}
WEIGHTS = dict(zip(SPECS, (6, 6, 6, 1, 1), strict=True))
RULES = """
rules:
  - {name: rolling, limit: 4, per: 1d, counts: [transactional, high]}
  - {name: day, limit: 3, per: calendar_day, channels: [email]}
  - {name: week, limit: 11, per: calendar_week, categories: [marketing, news], counts: [high]}
  - {name: month, limit: 40, per: calendar_month, counts: [transactional]}
  - {name: news, limit: 2, per: 36h, categories: [news], min_gap: 3h}
  - {name: gap, min_gap: 45m}
"""
TEMPLATES = {
    "email": """---
channel: email
subject: Note
from: Example Shop <hello@example.com>
text: Hello
---
<a href="{{ unsubscribe_url }}">Unsubscribe</a>
""",
    "webhook": """---
channel: webhook
url: https://crm.example.com/hook
---
user: '{{ profile.user_id }}'
""",
}
ZONES = ["Europe/London", "America/New_York", "Asia/Tokyo", "America/Havana", "Pacific/Auckland", None]
DEPLOYMENT_ZONE = "America/Sao_Paulo"

JOURNEYS_EACH = 3


async def prepare(database: Database, users: int) -> None:
    """The campaigns, the caps, the users, and some journeys of each of them in each campaign."""
    campaigns = Campaigns(database, CHECKS)
    for key, spec in SPECS.items():
        await campaigns.publish(spec.source(key), "campaign.yaml", {"note.liquid": TEMPLATES[spec.channel]}, by=SOJOURN)
        await campaigns.start(key, by=SOJOURN)
    await DeploymentDocuments(database, CHECKS).put(FREQUENCY_CAPS, RULES, "caps.yaml", by=SOJOURN)
    ingest = Ingest(database, Catalogue())
    for user in (f"u{number}" for number in range(users)):
        batch = [identify(user, {"email": f"{user}@example.com"})]
        batch += [_event("track", "Begun", user, {"number": number}) for number in range(JOURNEYS_EACH)]
        await ingest(batch, received_at=datetime.now(UTC))


def identify(user: str, traits: Mapping[str, Any]) -> Event:
    return _event("identify", None, user, traits)


def _event(type: CallType, name: str | None, user: str, properties: Mapping[str, Any]) -> Event:
    return Event(
        id=uuid4(),
        message_id=str(uuid4()),
        type=type,
        name=name,
        user_id=user,
        anonymous_id=None,
        properties=dict(properties),
        context={},
        timestamp=datetime.now(UTC),
    )


@dataclass(frozen=True)
class Journey:
    """One that may be asked for: whose, and in which campaign."""

    id: UUID
    user: str
    campaign: str


async def journeys_of(database: Database) -> list[Journey]:
    """All of them, in an order that is the same for everybody."""
    async with database.transaction() as connection:
        cursor = await connection.execute(
            """
            SELECT journeys.id, user_id, campaign_key
            FROM journeys JOIN profiles ON profiles.id = profile_id ORDER BY journeys.id
            """
        )
        return [Journey(row["id"], row["user_id"], row["campaign_key"]) async for row in cursor]
