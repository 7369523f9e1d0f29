"""Where the database and Temporal do not agree, as the command reports it."""

import asyncio
import json
import re

from cli.main import run
from tests.cli.conftest import CAMPAIGN, Output
from tests.harness import Harness


async def test_what_was_found_is_reported(harness: Harness, deployment: str, capsys: Output) -> None:
    await harness.run_campaign(CAMPAIGN.format(key="cart"))
    await harness.track("ada", "Cart Abandoned")
    await harness.journeys.until(status="waiting")
    assert await sojourn("--watch") == 0
    output = capsys.readouterr().out
    assert output.splitlines()[-1].startswith("Compared ")
    assert "reconcile: done, no differences" in output
    [row] = await harness.query(
        """
        INSERT INTO reconciliations (id, requested_by, state, created_at, started_at, finished_at, report)
        SELECT uuidv7(), 'test', 'done', now(), now(), now(), jsonb_set(report, '{findings}', %s)
        FROM reconciliations WHERE report IS NOT NULL LIMIT 1 RETURNING id::text
        """,
        json.dumps({"row_without_workflow": {"found": 2, "repaired": 1, "examples": ["cart/ada/1", "cart/bob/1"]}}),
    )
    assert await sojourn(row["id"]) == 0
    assert re.search(r"row without workflow +2 +1 +cart/ada/1, cart/bob/1$", capsys.readouterr().out, re.MULTILINE)
    assert await sojourn("--list") == 0
    _, latest, *_ = capsys.readouterr().out.splitlines()
    assert re.match(rf"{row['id']}  done +row without workflow 2  test +2", latest)


async def test_it_can_be_looked_at_later(harness: Harness, deployment: str, capsys: Output) -> None:
    assert await sojourn() == 0
    told = capsys.readouterr().out.strip()
    assert told.startswith("reconcile: pending. Watch it: sojourn reconcile ")
    assert await asyncio.to_thread(run, [*told.partition("sojourn ")[2].split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"


async def sojourn(*arguments: str) -> int:
    return await asyncio.to_thread(run, ["reconcile", *arguments])
