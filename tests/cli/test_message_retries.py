"""The plan of a retry, and the retry."""

import asyncio
import json

from cli.main import run
from tests.cli.conftest import Output
from tests.engine.retry_campaigns import fail, mend
from tests.harness import Harness


async def test_the_plan_says_how_many_and_the_retry_goes(harness: Harness, deployment: str, capsys: Output) -> None:
    await fail(harness, "u1", "u2")
    await harness.query("UPDATE messages SET expires_at = now() FROM profiles WHERE user_id = 'u2' RETURNING 1")
    await harness.query(
        """
        UPDATE messages SET expires_at = now() + interval '1 day' FROM profiles
        WHERE profiles.id = profile_id AND user_id = 'u1' RETURNING 1
        """
    )
    await mend(harness)
    which = ["--campaign", "promotion", "--since", "2026-01-01", "--reason", "template_error"]
    assert await asyncio.to_thread(run, ["messages", "retry", *which, "--dry-run"]) == 0
    head, columns, *rows = capsys.readouterr().out.splitlines()
    assert head == "2 failed messages, 1 to retry; not retried: expired 1"
    assert columns.split() == ["CAMPAIGN", "STEP", "REASON", "PROVIDER", "MESSAGES", "PLAN"]
    assert sorted(row.split()[-1] for row in rows) == ["expired", "retry"]
    assert await asyncio.to_thread(run, ["messages", "retry", *which, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["retried"] == 1
    assert await asyncio.to_thread(run, ["messages", "retry", *which, "--watch"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "retry deployment: done, 2 of 2 (expired 1, retried 1)"
    await harness.messages.until(state="sent", user_id="u1")
    assert await asyncio.to_thread(run, ["messages", "retry", "--step", "promo"]) == 1
    assert "a step is of a campaign: `campaign` is missing" in capsys.readouterr().err
