"""A stage for each test."""

from collections.abc import AsyncIterator

import pytest

from tests.examples.harness import ExampleHarness, open_example_harness
from tests.harness import Harness
from tests.pools import patient_pools as patient_pools


@pytest.fixture
async def example(harness: Harness) -> AsyncIterator[ExampleHarness]:
    async with open_example_harness(harness) as opened:
        yield opened
