"""Twenty processes under all caps at once: no cap is ever exceeded, nothing is refused without reason."""

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from typing import Any

import pytest

from domain.sending.caps_document import parse_caps
from store.database import Database
from tests.engine import caps_campaigns, caps_worker
from tests.engine.ledger_audit import keep_audit, kinds_seen, recount_all
from tests.harness import PATIENCE, looks
from tests.proofs import rounds

PROCESSES, USERS = 20, 10
SECONDS = rounds(4, 30)
# Every kind of answer is given, and every way of a message gone, before the contest ends.
KINDS = {
    *("granted", "put back", "deferred: capped", "deferred: send_window"),
    *("refused: capped", "refused: send_window", "refused: expired"),
    *("cancelled: send_window", "cancelled: expired"),
}
SEED = os.environ.get("SOJOURN_TEST_SEED", "2026-11")


async def run_workers(url: str, database: Database) -> list[dict[str, Any]]:
    """What each of the processes reports. They begin together, and end once all kinds have occurred."""
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s)", (caps_worker.BARRIER,))
        workers = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", caps_worker.__name__, url, SEED, str(PROCESSES)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        try:
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted HAVING count(*) = %s"
            while await (await connection.execute(waiting, (PROCESSES,))).fetchone() is None:
                assert workers.returncode is None
                await asyncio.sleep(0.1)
        except BaseException:
            os.killpg(workers.pid, signal.SIGKILL)
            raise
    await asyncio.sleep(SECONDS)
    # They yield to whatever else works on this machine, which may take minutes.
    async for is_last in looks(5 * PATIENCE):
        if is_last or await kinds_seen(database) >= KINDS:
            break
    output, _ = await workers.communicate(b"")
    assert workers.returncode == 0
    reports: list[dict[str, Any]] = json.loads(output)
    return reports


@pytest.mark.prove
@pytest.mark.takes_long
async def test_no_cap_is_exceeded_whatever_twenty_processes_do_at_once(database_url: str) -> None:
    print(f"seed {SEED}, {SECONDS} s")  # noqa: T201
    async with Database(database_url, pool_size=4) as database:
        await keep_audit(database)
        await caps_campaigns.prepare(database, USERS)
        reports = await run_workers(database_url, database)
        findings = await recount_all(database, parse_caps(caps_campaigns.RULES, "caps.yaml"))
        async with database.transaction() as connection:
            cursor = await connection.execute("SELECT id::text, answer FROM decisions WHERE kind = 'send'")
            decided = {row["id"]: row["answer"] async for row in cursor}
            cursor = await connection.execute("SELECT id::text, state FROM messages")
            messages = {row["id"]: row["state"] async for row in cursor}
    print(dict(sorted(findings.counts.items())))  # noqa: T201
    assert not findings.wrong, "\n".join(findings.wrong[:5])
    # Whoever asked was told what stands there, and nothing stands there that nobody was told.
    told = [(id, answer) for report in reports for id, answer in report["asked"]]
    assert [(id, answer) for id, answer in told if decided.get(id) != answer] == []
    assert {id for id, _ in told} == set(decided)
    assert [said for report in reports for said in report["different"]] == []
    # Each grant has one message, and each message a grant; questions that many asked had one answer.
    assert {answer["message_id"] for answer in decided.values() if answer["answer"] == "granted"} == set(messages)
    assert len(told) > len(decided)
    # What cannot be told apart by its key was taken once, and all that was taken is known to have been.
    taken = Counter(id for report in reports for channel, id in report["accepted"] if channel == "email")
    assert [id for id, times in taken.items() if times > 1] == []
    assert {messages[id] for report in reports for _, id in report["accepted"]} == {"sent"}
    assert {kind for kind in KINDS if not findings.counts[kind]} == set()
