"""Count the failures of providers, and open and close their circuits."""

import psycopg
import structlog

from domain.sending.circuit import read_health
from domain.sending.delivery import Ambiguous, Delivery, Unavailable
from store import circuits
from store.database import Database

log = structlog.get_logger()


async def record_delivery(
    database: Database, provider: str, delivery: Delivery, *, has_failures: bool, was_probe: bool
) -> None:
    """Count a failure, or forget those before an answer.

    `has_failures` says that the claim found some: without them an answer changes nothing. While the database is away,
    nothing is counted.
    """
    health = read_health(delivery)
    if health is None or (health == "answered" and not has_failures):
        return
    try:
        async with database.transaction() as connection:
            if health == "answered":
                if await circuits.record_answer(connection, provider, was_probe=was_probe):
                    log.info("provider circuit closed", provider=provider)
            elif isinstance(delivery, Unavailable | Ambiguous):
                reason = delivery.reason if isinstance(delivery, Unavailable) else "answer_lost"
                if await circuits.record_failure(connection, provider, health, reason, delivery.detail):
                    log.warning("provider circuit opened", provider=provider, reason=reason, detail=delivery.detail)
    except psycopg.OperationalError:
        log.warning("failed to record provider health", provider=provider)
