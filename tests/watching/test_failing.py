"""A process that cannot do its work says so on the last line of its log, and ends with status 1."""

import json
import os

import pytest

from runtime.embedded.ports import get_port, listen
from tests.api.fakes import SETTINGS
from tests.forks import fork
from tests.processes import environment


@pytest.mark.parametrize("command", ["api", "worker"])
async def test_an_address_that_is_taken(command: str) -> None:
    with listen(None) as taken:
        address = f"127.0.0.1:{get_port(taken)}"
        variables = {**os.environ, **environment(SETTINGS), "SOJOURN_METRICS_ADDRESS": address}
        process = await fork(command, variables=variables)
        log, _ = await process.communicate()
    assert process.returncode == 1
    line = json.loads(log.splitlines()[-1])
    assert (line["event"], line["level"]) == ("process failed", "critical")
    assert line["reason"] == f"SOJOURN_METRICS_ADDRESS {address} cannot be used: Address already in use"
