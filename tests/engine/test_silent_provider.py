"""A provider that is down for long: what waits for it waits in Temporal, in no memory, and in nobody else's place."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from channels.bulkhead import MAX_WAITING, MAX_WAITING_IF_SILENT
from tests.channels.servers import Receiver, answer, listening
from tests.harness import MAIL, PATIENCE, Harness, looks, open_harness
from tests.processes import worker_process
from tests.proofs import rounds
from tests.servers import TemporalServer

DUE = rounds(80, 120)
OTHERS = 10
# Connections to the database, Temporal and the mail server, and what a process has open anyhow.
FILES_BESIDES = 60
# While all are tried again and again, in kilobytes: their workflows are in the worker's cache by then.
MAX_GROWTH = 30 * 1024


class Silence:
    """Never answers. Knows how many wait for it, until they leave, and how many did at most."""

    waiting = 0
    most_waiting = 0

    async def talk(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await reader.read()
        finally:
            self.waiting -= 1


@pytest.mark.prove
@pytest.mark.takes_long
async def test_hundreds_of_messages_to_dead_receivers_hold_up_nobody_else(
    database_url: str, temporal: TemporalServer
) -> None:
    silent, refusing, alive = Silence(), Receiver(answer(503)), Receiver()
    async with (
        listening(silent.talk) as silent_port,
        listening(refusing.talk) as refusing_port,
        listening(alive.talk) as alive_port,
        open_harness(database_url, temporal, is_working=False, database_pool_size=6) as harness,
        worker_process(harness.settings) as worker,
    ):
        try:
            await harness.run_campaign(campaign("silent", "webhook"), webhook(silent_port))
            await harness.run_campaign(campaign("refusing", "webhook"), webhook(refusing_port))
            await harness.run_campaign(campaign("alive", "webhook"), webhook(alive_port))
            await harness.run_campaign(campaign("mail", "email"), {"note.liquid": MAIL})
            await enter(harness, "silent", DUE)
            await enter(harness, "refusing", DUE)
            # Each has asked for a place: some wait for their answer, the others have been given back.
            await harness.until(
                "SELECT FROM messages WHERE attempts > 0 HAVING count(*) = %s", 2 * DUE, seconds=3 * PATIENCE
            )
            held = memory(worker.pid)
            await enter(harness, "alive", OTHERS)
            await enter(harness, "mail", OTHERS)
            await until(lambda: len(alive.requests) == OTHERS and len(harness.inbox.messages) == OTHERS)
            # Half of the places of its channel at most. On a busy machine the first is given up, after 30 s,
            # before all are taken; those that are given up may not yet be seen to go.
            assert MAX_WAITING_IF_SILENT < silent.most_waiting <= MAX_WAITING + MAX_WAITING_IF_SILENT
            await harness.until("SELECT FROM messages WHERE attempts > 2 HAVING count(*) >= %s", 2 * DUE - MAX_WAITING)
            assert open_files(worker.pid) <= MAX_WAITING + FILES_BESIDES
            assert memory(worker.pid) - held < MAX_GROWTH
            # They are tried again after 1, 2, 4 s and so on, and not as often as there is a place.
            [attempts] = await harness.query("SELECT max(attempts) AS most FROM messages WHERE state <> 'sent'")
            assert attempts["most"] < 10
        finally:
            # Those that hang would do so for 30 s.
            worker.kill()


def campaign(key: str, channel: str) -> str:
    return f"""
key: {key}
name: {key}
entry: {{event: {key}}}
steps: [{{id: note, send: {{channel: {channel}, template: note, category: transactional}}}}]
"""


def webhook(port: int) -> Mapping[str, str]:
    return {
        "note.liquid": f"---\nchannel: webhook\nurl: http://127.0.0.1:{port}/hook\n---\nid: '{{{{ message.id }}}}'\n"
    }


async def enter(harness: Harness, campaign: str, count: int) -> None:
    """So many people enter a campaign at once."""
    batch = []
    for _ in range(count):
        user = {"userId": str(uuid4())}
        batch.append({**user, "type": "identify", "messageId": str(uuid4()), "traits": {"email": "u@example.com"}})
        batch.append({**user, "type": "track", "messageId": str(uuid4()), "event": campaign})
    await harness.post("batch", {"batch": batch})


async def until(is_so: Callable[[], bool]) -> None:
    async for is_last in looks(PATIENCE):
        if is_so():
            return
        assert not is_last


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def memory(pid: int) -> int:
    """What the process has in memory, in kilobytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
