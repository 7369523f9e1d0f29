"""What is done to many, and watching it, with a worker that does it."""

import asyncio
import json
import re

import pytest

from cli.main import run
from tests.cli.conftest import CAMPAIGN, Output
from tests.harness import Harness

USERS = 7


@pytest.fixture
async def resting(harness: Harness, deployment: str) -> Harness:
    """A running campaign with journeys that rest."""
    await harness.run_campaign(CAMPAIGN.format(key="cart"))
    for number in range(USERS):
        await harness.track(f"u-{number}", "Cart Abandoned")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    return harness


async def sojourn(*arguments: str) -> int:
    return await asyncio.to_thread(run, list(arguments))


async def test_stop_is_watched_until_all_have_ended(resting: Harness, capsys: Output) -> None:
    assert await sojourn("stop", "cart", "--exit", "--watch") == 0
    state, *changes = capsys.readouterr().out.splitlines()
    assert state == "cart: stopping, version 1"
    assert changes[-1].startswith(f"exit cart: done, {USERS} of {USERS} (")
    assert len(set(changes)) == len(changes)
    assert await resting.journeys.all(state="active") == []


async def test_operations_for_scripts(resting: Harness, capsys: Output) -> None:
    assert await sojourn("stop", "cart", "--exit", "--watch", "--json") == 0
    output = capsys.readouterr()
    answer = json.loads(output.out)
    [operation] = answer["operations"]
    assert (operation["state"], operation["done"]) == ("done", USERS)
    assert answer["campaigns"][0]["state"] == "stopping"
    assert "exit cart: done" in output.err


async def test_operations_are_listed_and_shown(resting: Harness, capsys: Output) -> None:
    assert await sojourn("stop", "cart", "--exit", "--watch") == 0
    capsys.readouterr()
    assert await sojourn("operations", "--campaign", "cart") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["OPERATION", "KIND", "CAMPAIGN", "STATE", "DONE", "COUNTS", "ASKED"]
    id, kind, _, state, done, *_ = re.split(r"  +", row)
    assert (kind, state, done) == ("exit", "done", f"{USERS} of {USERS}")
    assert await sojourn("operations") == 0
    assert capsys.readouterr().out.splitlines() == [header, row]
    assert await sojourn("operations", id) == 0
    shown = capsys.readouterr().out
    assert re.search(rf"^Progress +done, {USERS} of {USERS}", shown, re.MULTILINE)
    assert re.search(r"^Campaign +cart$", shown, re.MULTILINE)
    assert await sojourn("operations", id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["id"] == id
    assert await sojourn("operations", id, "--watch") == 0
    assert capsys.readouterr().out.startswith(f"exit cart: done, {USERS} of {USERS}")


async def test_a_long_list_goes_on(resting: Harness, capsys: Output) -> None:
    for verb in ("pause", "resume", "pause", "resume"):
        assert await sojourn(verb, "cart") == 0
    capsys.readouterr()
    assert await sojourn("operations", "--campaign", "cart", "--limit", "1") == 0
    first = capsys.readouterr()
    assert await sojourn("operations", "--campaign", "cart", *first.err.split()[-2:]) == 0
    second = capsys.readouterr()
    assert first.out != second.out
    assert second.err == ""


async def test_one_that_was_cancelled_ends_its_watch(resting: Harness, capsys: Output) -> None:
    assert await sojourn("pause", "cart") == 0
    [row] = await resting.query(
        """
        INSERT INTO operations (id, campaign_key, kind, state, requested_by, started_at)
        VALUES (uuidv7(), 'cart', 'migrate', 'running', 'test', now()) RETURNING id::text
        """
    )
    capsys.readouterr()
    watched = asyncio.create_task(sojourn("operations", row["id"], "--watch"))
    while "running" not in (said := capsys.readouterr().out):
        assert not watched.done(), said
        await asyncio.sleep(0.02)
    assert await sojourn("operations", row["id"], "--cancel") == 0
    assert await watched == 1


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["00000000-0000-0000-0000-000000000000"], 1, "sojourn: there is no operation"),
        (["--campaign", "none"], 1, "sojourn: there is no campaign none"),
    ],
)
def test_what_is_refused(capsys: Output, arguments: list[str], status: int, told: str) -> None:
    assert run(["operations", *arguments]) == status
    assert told in capsys.readouterr().err
