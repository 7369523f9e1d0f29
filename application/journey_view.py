"""What expressions see of a journey."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from application.catalogue import Catalogue, LoadedVersion
from domain.campaign.plan import Plan, Send, Split
from domain.errors import UnavailableError
from store import journeys
from store.database import Connection
from store.journeys import StepFacts

# The outcome of a message that was never granted, and the arm of a split that the journey has not come to.
NONE = "none"


class JourneyVariables(Struct, frozen=True):
    """Visits by step, the outcomes of its messages by step, the arms of its splits, and when it was entered."""

    steps: dict[str, int]
    messages: dict[str, str]
    arms: dict[str, str]
    entered_at: datetime


def journey_view(plan: Plan, visits: dict[str, int], facts: StepFacts) -> JourneyVariables:
    """Every step is there, so that an expression can ask for one that the journey did not come to."""
    return JourneyVariables(
        steps={step: visits.get(step, 0) for step in plan.nodes},
        messages={id: facts.messages.get(id, NONE) for id, node in plan.nodes.items() if isinstance(node, Send)},
        arms={id: facts.arms.get(id, NONE) for id, node in plan.nodes.items() if isinstance(node, Split)},
        entered_at=facts.entered_at,
    )


async def facts_and_version(
    connection: Connection, catalogue: Catalogue, journey_id: UUID
) -> tuple[StepFacts, LoadedVersion]:
    """What a step of this journey looks at, under its locks, and the version it runs on. Raises UnavailableError."""
    facts = await journeys.step_facts(connection, journey_id)
    if facts is None:
        raise UnavailableError(f"journey {journey_id} is being moved to another profile; ask again")
    return facts, await catalogue.version(connection, facts.campaign_key, facts.campaign_version)
