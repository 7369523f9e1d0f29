"""A stage for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.examples.harness import Stage, open_stage
from tests.harness import Rig


@pytest.fixture
async def stage(rig: Rig) -> AsyncIterator[Stage]:
    async with open_stage(rig) as opened:
        yield opened
