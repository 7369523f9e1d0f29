"""Messages that fail, and the operation that retries them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from domain.journey.position import NextPositions
from tests.harness import MAIL, Harness

SEED = 20_261_201
BROKEN = MAIL.replace("default: 'you'", "upcase").replace("profile.traits.first_name", "profile.traits.name")
PROMOTION = """
key: promotion
name: Promotion
entry: {event: Price Dropped, reentry: always}
exit: [{event: Account Closed}]
steps:
  - {id: promo, send: {channel: email, template: note}}
"""
RESTING = f"{PROMOTION}  - {{id: rest, delay: 30d}}\n"
LAST = NextPositions(0, ())


async def mend(harness: Harness, source: str = PROMOTION) -> None:
    """Start a version whose template suits everybody."""
    await harness.run_campaign(source)


def in_two_hours(source: str) -> str:
    """A campaign whose window opens within two hours, for one."""
    opens = datetime.now(UTC) + timedelta(hours=2)
    window = f'send_window: {{from: "{opens:%H}:00", to: "{opens + timedelta(hours=1):%H}:00"}}\n'
    return source.replace("steps:", f"{window}steps:")


async def fail(harness: Harness, *users: str, source: str = PROMOTION) -> None:
    """Let a message to each user fail by its template."""
    await harness.run_campaign(source, {"note.liquid": BROKEN})
    for user in users:
        await harness.identify(user, email=f"{user}@example.com")
        await harness.track(user, "Price Dropped")
    await harness.messages.until(len(users), state="failed")


async def retry(harness: Harness, **which: Any) -> dict[str, Any]:
    """Retry failed messages; return the operation once it is over."""
    operation = await harness.admin("POST", "/v1/messages/retry", which)
    await harness.until("SELECT 1 FROM operations WHERE id = %s AND finished_at IS NOT NULL", operation["id"])
    done: dict[str, Any] = await harness.admin("GET", f"/v1/operations/{operation['id']}")
    return done
