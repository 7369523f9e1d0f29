"""Backtests by the API: reports, who sees them, and processes that are killed."""

import asyncio
import os
import signal
import sys
from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg import sql

from api.backtests import MAX_USERS
from application.rehearsal.requests import MAX_OPEN
from runtime.backtests import MAX_ATTEMPTS
from runtime.maintenance import run_maintenance
from store.backtests import LIFETIME
from store.database import Database
from store.tables import metadata
from tests.api.backtest_desk import (
    CAPS,
    DOCUMENT,
    find_processes,
    get,
    is_alive,
    know_people,
    read_of,
    request,
    run_one,
    running,
    until,
    until_started,
)
from tests.api.live import client_of
from tests.harness import looks, until_blocked
from tests.patience import PATIENCE
from tests.processes import ROOT

# The tables that a backtest may write: its own, its operation's, and the audit log.
OWN = {"backtests", "backtest_people", "operations", "audit_log"}
WORKER = """
import asyncio, sys
from tests.api.backtest_desk import running

async def main():
    async with running(sys.argv[1]):
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def read_all(database_url: str, *left_out: str) -> dict[str, list[str]]:
    """Every row of every table but some, as PostgreSQL writes it."""
    found = {}
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        for table in metadata.tables.keys() - {*left_out}:
            rows = await connection.execute(
                sql.SQL("SELECT t::text FROM {} AS t ORDER BY 1").format(sql.Identifier(table))
            )
            found[table] = [row[0] for row in await rows.fetchall()]
    return found


async def test_a_backtest_reports_and_writes_nothing_else(operator: httpx.AsyncClient, database_url: str) -> None:
    await know_people(database_url, "ada", "bob")
    before = await read_all(database_url, *OWN)
    id = await request(operator, against=[DOCUMENT, CAPS], users=["ada"], limits={"per_person": 1})
    assert (await get(operator, id))["state"] == "pending"
    async with running(database_url):
        found = await until(operator, id, "done", "failed")
    assert await read_all(database_url, *OWN) == before
    assert (found["state"], found["done"], found["total"], found["failure"]) == ("done", 1, 1, None)
    assert (found["files"], found["against"], found["last"]) == (["cart.yaml"], ["cart.yaml", "caps.yaml"], "14d")
    report = found["report"]
    assert report["head"]["people"] == 1
    [campaign] = report["campaigns"]
    assert (campaign["entered"], campaign["sent"], campaign["goals"]) == (2, 2, 0)
    assert report["messages_per_person"] == {"2": 1}
    assert report["difference"]["sent"] == {"before": 1, "after": 2}
    assert [one["user_id"] for one in report["difference"]["examples"]] == ["ada"]
    assert report["limits"] == [{"name": "per_person", "most": "1", "found": "2", "is_exceeded": True}]
    [trace] = found["traces"]
    assert trace["user_id"] == "ada"
    assert [line["kind"] for line in trace["lines"]].count("message") == 2
    assert (await operator.get(f"/v1/operations/{id}")).json()["state"] == "done"
    [listed] = (await operator.get("/v1/backtests")).json()["backtests"]
    assert listed == {name: found[name] for name in listed}


async def test_the_markdown_names_no_person(operator: httpx.AsyncClient, database_url: str) -> None:
    await know_people(database_url, "ada")
    id = await request(operator)
    assert (await operator.get(f"/v1/backtests/{id}/markdown")).json()["state"] == "pending"
    async with running(database_url):
        await until(operator, id, "done")
    answer = await operator.get(f"/v1/backtests/{id}/markdown")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text.startswith("# Backtest\n")
    assert "| nudge | sent by email | 2 |" in answer.text
    compared = await run_one(operator, database_url, against=[DOCUMENT, CAPS])
    shown = (await operator.get(f"/v1/backtests/{compared['id']}/markdown")).text
    assert shown.startswith("# Backtest of a change\n")
    assert "ada" not in answer.text + shown


async def test_people_are_masked_without_their_scope_and_looks_are_recorded(
    operator: httpx.AsyncClient, live: FastAPI, database_url: str
) -> None:
    await know_people(database_url, "ada")
    found = await run_one(operator, database_url, users=["ada"], against=[DOCUMENT, CAPS])
    assert not found["masked"]
    key = (await operator.post("/v1/keys", json={"name": "support", "scopes": ["read"]})).json()
    async with client_of(live, key["token"]) as reader:
        masked = await get(reader, found["id"])
        assert (await reader.post("/v1/backtests", json={})).status_code == 403
    assert masked["masked"]
    assert masked["traces"] == [{"user_id": "ada", "lines": None}]
    [example] = masked["report"]["difference"]["examples"]
    assert (example["before"], example["after"]) == (None, None)
    for target, action in (("ada", "user.read"), (found["id"], "backtest.read")):
        entries = (await operator.get("/v1/audit-log", params={"target": target})).json()["entries"]
        read = [one["actor_name"] for one in entries if one["action"] == action]
        assert read == ["support", "SOJOURN_ADMIN_KEY"]


async def test_a_request_that_cannot_be_simulated_is_refused_at_once(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    broken = {"file": "broken.yaml", "source": "key: x\nname: X\nentry: {event: A}\nsteps: [{wait: 1}]\n"}
    audit = {"file": "retention.yaml", "source": "retention: {}\n"}
    answer = await operator.post("/v1/backtests", json={"documents": [broken, audit], "against": [DOCUMENT]})
    assert answer.status_code == 422
    assert {one["file"] for one in answer.json()["problems"]} == {"broken.yaml", "retention.yaml"}
    refused: list[tuple[dict[str, Any], int, str]] = [
        ({"segment": "vip"}, 404, "there is no segment vip; segments: none"),
        ({"users": ["nemo"]}, 404, "nothing was ever reported of the user nemo"),
        ({"users": ["u"] * (MAX_USERS + 1)}, 400, "users"),
        ({"last": "401d"}, 400, "at most 400d"),
        ({"last": "soon"}, 400, "not a duration"),
        ({"sample": 0}, 400, "sample"),
        ({"documents": [DOCUMENT, DOCUMENT]}, 400, "`file` of its own"),
        ({"limits": {"growth": 0.1}}, 400, "name the other one by `against`"),
        ({"against": "stopped"}, 400, "against"),
    ]
    for body, status, said in refused:
        answer = await operator.post("/v1/backtests", json=body)
        assert (answer.status_code, said in answer.text) == (status, True), answer.text
    for _ in range(MAX_OPEN):
        await request(operator)
    answer = await operator.post("/v1/backtests", json={})
    assert (answer.status_code, answer.json()["open"]) == (409, MAX_OPEN)


async def test_one_runs_at_a_time_in_their_order(operator: httpx.AsyncClient, database_url: str) -> None:
    await know_people(database_url, "ada")
    ids = [await request(operator) for _ in range(3)]
    async with running(database_url), running(database_url):
        for id in ids:
            await until(operator, id, "done")
            assert len(find_processes(os.getpid())) <= 1
    found = [await get(operator, id) for id in ids]
    assert all(one["finished_at"] <= next["started_at"] for one, next in pairwise(found))


async def test_a_killed_process_begins_anew_and_fails_with_a_reason_at_last(
    operator: httpx.AsyncClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.backtests.PAUSE", timedelta(0))
    await know_people(database_url, "ada")
    id = await request(operator)
    async with running(database_url):
        os.kill(await until_started(os.getpid()), signal.SIGKILL)
        assert (await until(operator, id, "done", "failed"))["state"] == "done"
        id = await request(operator)
        killed: set[int] = set()
        async for is_last in looks(PATIENCE):
            assert not is_last
            for process in {*find_processes(os.getpid())} - killed:
                os.kill(process, signal.SIGKILL)
                killed.add(process)
            if (found := await get(operator, id))["state"] == "failed":
                break
    assert len(killed) == MAX_ATTEMPTS
    assert found["failure"] == (
        "its process was killed by SIGKILL, such as for want of memory, 3 times: "
        "take fewer people by `sample` or `segment`, or fewer days"
    )
    assert found["report"] is None


async def test_another_worker_takes_over_from_a_killed_one(operator: httpx.AsyncClient, database_url: str) -> None:
    await know_people(database_url, "ada")
    id = await request(operator)
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        # The process waits in the middle of its work.
        await holder.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        worker = await asyncio.create_subprocess_exec(sys.executable, "-c", WORKER, database_url, cwd=ROOT)
        process = await until_started(worker.pid)
        await until_blocked(holder)
        worker.kill()
        await worker.wait()
        async for is_last in looks(PATIENCE):
            # It ends with its worker.
            if not is_alive(process):
                break
            assert not is_last
    async with running(database_url):
        assert (await until(operator, id, "done", "failed"))["state"] == "done"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await connection.execute("SELECT attempts FROM backtests")
        assert await rows.fetchall() == [(2,)]


async def test_a_cancelled_one_ends_its_process_and_a_stopped_worker_gives_back(
    operator: httpx.AsyncClient, database_url: str
) -> None:
    await know_people(database_url, "ada")
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        first, second = await request(operator), await request(operator)
        async with running(database_url):
            await until_started(os.getpid())
            assert (await operator.post(f"/v1/operations/{first}/cancel")).status_code == 200
            await until(operator, second, "running")
        assert find_processes(os.getpid()) == []
        assert [(await get(operator, id))["state"] for id in (first, second)] == ["cancelled", "pending"]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await connection.execute("SELECT attempts FROM backtests ORDER BY operation_id")
        assert await rows.fetchall() == [(1,), (0,)]


async def test_one_that_takes_too_long_fails(operator: httpx.AsyncClient, database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        id = await request(operator)
        async with running(database_url, max_seconds=3.6):
            found = await until(operator, id, "failed")
    assert found["failure"].startswith("it took longer than 0.001 hours")


async def test_a_process_is_polite_and_has_no_secrets(
    operator: httpx.AsyncClient, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOJOURN_ADMIN_KEY", "very-secret")
    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("LOCK TABLE profiles IN ACCESS EXCLUSIVE MODE")
        await request(operator)
        async with running(database_url):
            process = await until_started(os.getpid())
            await until_blocked(holder)
            assert os.getpriority(os.PRIO_PROCESS, process) == 19
            assert read_of(process, "oom_score_adj") == "1000\n"
            assert "very-secret" not in read_of(process, "environ")
            assert database_url not in read_of(process, "cmdline")


async def test_reports_are_kept_for_their_time(operator: httpx.AsyncClient, database_url: str) -> None:
    await know_people(database_url, "ada")
    found = await run_one(operator, database_url, users=["ada"])
    waiting = await request(operator)
    async with Database(database_url, pool_size=2) as database:
        for age, status in ((LIFETIME - timedelta(minutes=1), 200), (LIFETIME + timedelta(minutes=1), 404)):
            async with database.transaction() as connection:
                await connection.execute(
                    "UPDATE operations SET finished_at = now() - %s::interval WHERE finished_at IS NOT NULL",
                    (age,),
                )
            stop = asyncio.Event()
            maintenance = asyncio.create_task(run_maintenance(database, stop))
            async for is_last in looks(PATIENCE):
                if (answer := await operator.get(f"/v1/backtests/{found['id']}")).status_code == status:
                    break
                assert not is_last, answer.text
            stop.set()
            await maintenance
    assert (await operator.get(f"/v1/operations/{found['id']}")).status_code == 200
    assert (await get(operator, waiting))["state"] == "pending"
