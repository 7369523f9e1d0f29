"""Take messages of ended journeys back from their providers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from application.catalogue import Catalogue
from application.providers import FoundProvider, ProviderSource
from application.trait_sweeper import SweepResult
from domain.sending.delivery import Recall, RecallingProvider, Unavailable
from domain.sending.recalls import Ask, AskAgain, Over, RecallFacts, judge_recall, plan_recall
from store import campaigns, recalls
from store.database import Database
from store.recalls import DueRecall

# Calls at once.
PAGE: Final = 20

log = structlog.get_logger()


@dataclass(slots=True)
class RecallSweeper:
    """Takes back the messages of ended journeys; any number may run.

    A worker that dies meanwhile leaves its messages to the next one: a repeated recall has no further effect.
    """

    database: Database
    catalogue: Catalogue
    providers: ProviderSource
    name: str = "recalls"

    async def sweep(self) -> SweepResult:
        """Ask for what is due, one page of it."""
        async with self.database.transaction() as connection:
            due_at, now = await recalls.next_due(connection)
            if due_at is None or due_at > now:
                return SweepResult(0, 0.0, None if due_at is None else (due_at - now).total_seconds())
        async with self.database.transaction() as connection:
            taken = await recalls.take_due(connection, PAGE)
            revision = await campaigns.lock_registry_shared(connection)
            found = [await self.providers.find(connection, revision, one.channel, one.provider) for one in taken]
        outcomes = await asyncio.gather(*(self._recall(*pair) for pair in zip(taken, found, strict=True)))
        await self._settle(taken, outcomes)
        return SweepResult(len(taken), (now - due_at).total_seconds(), 0.0)

    async def _recall(self, due: DueRecall, found: FoundProvider | None) -> AskAgain | Over:
        facts = RecallFacts(due.state, due.provider_id, due.claimed_at, due.possible_until, due.attempts)
        planned = plan_recall(facts, due.now)
        if not isinstance(planned, Ask):
            return planned
        recall: Recall
        if found is not None and isinstance(found.provider, RecallingProvider):
            recall = await found.provider.recall(str(due.message_id), due.provider_id)
        else:
            recall = Unavailable("no_provider", "no provider of this worker can take the message back")
        return judge_recall(facts, recall, due.now)

    async def _settle(self, taken: Sequence[DueRecall], outcomes: Sequence[AskAgain | Over]) -> None:
        ordered = sorted(zip(taken, outcomes, strict=True), key=lambda pair: pair[0].message_id)
        async with self.database.transaction() as connection:
            for due, outcome in ordered:
                match outcome:
                    case AskAgain(at=at):
                        await recalls.put_off(connection, due.message_id, at)
                    case Over(state=state, reason=reason, detail=detail):
                        await recalls.end(connection, due.message_id, state, reason, detail)
        for due, outcome in ordered:
            if isinstance(outcome, Over):
                log.info("message recall ended", message_id=str(due.message_id), reason=outcome.reason)
