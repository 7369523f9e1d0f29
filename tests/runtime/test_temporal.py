"""The embedded Temporal server, for real."""

import socket
from pathlib import Path

import httpx
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus

from runtime.embedded.processes import command_line, read_pid
from runtime.embedded.temporal import EmbeddedTemporal
from tests.runtime.conftest import killed_run

ATTRIBUTES = {"Campaign": "Keyword", "CampaignVersion": "Int"}
LEAVE_A_SERVER = """
import asyncio, sys
from pathlib import Path
from runtime.embedded.temporal import EmbeddedTemporal

async def main():
    server = await EmbeddedTemporal.start(Path(sys.argv[1]), ui=False, search_attributes={"Campaign": "Keyword"})
    print(server.address, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_workflows_outlive_a_crash_and_a_restart(folder: Path) -> None:
    server = await EmbeddedTemporal.start(folder, ui=False, search_attributes=ATTRIBUTES)
    assert server.ui_url is None
    client = await Client.connect(server.address)
    await client.start_workflow("Sleeper", id="kept", task_queue="nobody-listens")
    address = server.address
    await server.kill()
    await server.restart()
    assert server.address == address
    found = await client.get_workflow_handle("kept").describe()
    assert found.status == WorkflowExecutionStatus.RUNNING
    await server.stop()
    await server.stop()


async def test_a_new_server_has_a_ui_and_the_search_attributes() -> None:
    server = await EmbeddedTemporal.start(None, search_attributes=ATTRIBUTES)
    client = await Client.connect(server.address)
    known = await client.operator_service.list_search_attributes(ListSearchAttributesRequest(namespace="default"))
    assert known.custom_attributes["Campaign"] == IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    assert known.custom_attributes["CampaignVersion"] == IndexedValueType.INDEXED_VALUE_TYPE_INT
    assert server.ui_url is not None
    async with httpx.AsyncClient(trust_env=False) as browser:
        assert (await browser.get(server.ui_url)).status_code == 200
    await server.stop()


async def test_the_server_of_a_killed_run_is_stopped(folder: Path) -> None:
    with killed_run(LEAVE_A_SERVER, str(folder)):
        pid = read_pid(folder / "temporal.pid")
    assert pid is not None
    assert command_line(pid) is not None

    server = await EmbeddedTemporal.start(folder, ui=False, search_attributes=ATTRIBUTES)
    assert command_line(pid) is None
    await server.stop()
    assert not (folder / "temporal.pid").exists()


async def test_taken_ports_give_way_to_free_ones() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = await EmbeddedTemporal.start(None, port=port, ui_port=port, search_attributes={})
        assert str(port) not in server.address
        assert server.ui_url is not None
        assert str(port) not in server.ui_url
        await server.stop()
