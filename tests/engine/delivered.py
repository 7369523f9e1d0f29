"""Messages as a provider has them, in numbers, and its reports about them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

from application.reports import Reports
from domain.sending.reports import Bounce, ProviderReport, ReportKind
from tests.engine.ingesting import AT
from tests.harness import Harness

PROVIDER = "smtp"
OF_RECIPIENTS = """
key: letter
name: Letter
entry: {event: Subscribed}
steps: [{id: rest, delay: 30d}, {id: hello, send: {channel: email, template: note}}]
"""


async def handed_over(harness: Harness, number: int, provider: str = PROVIDER, domain: str = "gmail.com") -> list[UUID]:
    """So many messages to an address each, of which the provider has not said whether it took them."""
    if not await harness.query("SELECT 1 FROM campaigns WHERE key = 'letter'"):
        await harness.run_campaign(OF_RECIPIENTS)
        await harness.identify("recipient", email="recipient@example.com")
        await harness.track("recipient", "Subscribed")
    rows = await harness.query(
        """
        INSERT INTO messages (id, journey_id, profile_id, campaign_key, step, visit, channel, category, template,
                              state, at, expires_at, attempts, provider, address)
        SELECT gen_random_uuid(), journeys.id, profile_id, campaign_key, 'hello', 1, 'email', 'marketing', 'note',
               'unknown', %s, %s, 1, %s, gen_random_uuid() || '@' || %s
        FROM journeys, generate_series(1, %s) WHERE campaign_key = 'letter' RETURNING id
        """,
        AT,
        AT + timedelta(days=60),
        provider,
        domain,
        number,
    )
    # As autovacuum would: without numbers of so many rows, each report would look through all.
    async with harness.database.transaction() as connection:
        await connection.execute("ANALYZE messages")
    return [row["id"] for row in rows]


def about(
    ids: Sequence[UUID], kind: ReportKind = "delivered", bounce: Bounce | None = None, *, is_machine: bool = False
) -> list[ProviderReport]:
    """A report about each of these messages."""
    return [
        ProviderReport(
            kind=kind, event_id=str(uuid4()), message_id=id, at=AT, bounce=bounce, is_machine=is_machine, link=None
        )
        for id in ids
    ]


async def report(reports: Reports, told: Sequence[ProviderReport], provider: str = PROVIDER) -> None:
    """Report, as a callback does; once it returns, the provider gets its answer."""
    await reports.apply(provider, told, received_at=AT + timedelta(days=20))
