from collections.abc import Callable

import pytest

from domain.campaign.plan import Plan
from domain.journey.state import JourneyState
from tests.domain.journey.machine_driver import Begin, MachineDriver, carried_over, kept


@pytest.fixture(params=[kept, carried_over], ids=lambda carry: carry.__name__)
def begin(request: pytest.FixtureRequest) -> Begin:
    """Begins a journey: one that is kept in memory, or one that continues as new after every fact."""
    carry: Callable[[JourneyState], JourneyState] = request.param

    def begun(plan: Plan, seed: str = "c/u1") -> MachineDriver:
        return MachineDriver(plan, carry, seed)

    return begun
