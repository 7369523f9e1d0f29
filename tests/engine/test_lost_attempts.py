"""Attempts to send whose worker is killed, and such as only take their time."""

import asyncio

import pytest

from tests.channels.servers import SILENCE, listening, scripted_smtp
from tests.harness import MAIL, open_harness
from tests.processes import worker_process
from tests.servers import TemporalServer
from workflows.options import SEND_HEARTBEAT

HOOK = """---
channel: webhook
url: http://127.0.0.1:PORT/
---
user_id: "{{ profile.user_id }}"
"""
CAMPAIGN = """
key: CHANNEL
name: A message by CHANNEL
entry: {event: Wanted CHANNEL}
steps:
  - {id: note, send: {channel: CHANNEL, template: note}}
"""


@pytest.mark.takes_long
async def test_a_dead_attempt_is_missed_long_before_its_time_is_over_and_a_slow_one_is_not(
    database_url: str, temporal: TemporalServer
) -> None:
    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(SEND_HEARTBEAT.total_seconds() + 2)
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()

    async with (
        listening(scripted_smtp(DOT=SILENCE)) as smtp_port,
        listening(answer_late) as hook_port,
        open_harness(database_url, temporal, is_working=False, smtp_port=smtp_port) as harness,
    ):
        await harness.run_campaign(CAMPAIGN.replace("CHANNEL", "email"), {"note.liquid": MAIL})
        await harness.run_campaign(
            CAMPAIGN.replace("CHANNEL", "webhook"), {"note.liquid": HOOK.replace("PORT", str(hook_port))}
        )
        await harness.identify("u1", email="u1@example.com")
        async with worker_process(harness.settings) as dies:
            await harness.track("u1", "Wanted email")
            await harness.messages.until(state="sending")
            dies.kill()
        async with worker_process(harness.settings):
            await harness.track("u1", "Wanted webhook")
            # The patience of this is less than the time of an attempt that nobody misses.
            await harness.messages.until(channel="email", state="unknown")
            await harness.messages.until(channel="webhook", state="sent", attempts=1)
