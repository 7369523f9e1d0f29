"""Who is in a segment and why, by the commands, over HTTP."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

from cli.main import run
from tests.cli.conftest import Output
from tests.engine.computed_harness import event
from tests.engine.segment_harness import segment_harness
from tests.harness import Harness

TRAITS = """
computed:
  orders: {count: Order Completed}
  active_14d: {any: '*', within: 14d}
"""
LAPSING = "profile.computed.orders >= 1 && !(profile.computed.active_14d || profile.traits.plan == 'pro')"


async def test_a_condition_is_previewed_and_counted(harness: Harness, deployment: str, capsys: Output) -> None:
    for user, plan in (("ada", "pro"), ("bob", "pro"), ("cyd", "free")):
        await harness.identify(user, plan=plan)
    await harness.track("dan", "Viewed")
    assert await asyncio.to_thread(run, ["segments", "preview", "profile.traits.plan == 'pro'"]) == 0
    shown = capsys.readouterr()
    first, examples = shown.out.splitlines()
    assert first == "2 of 4 people"
    assert examples in ("for example ada, bob", "for example bob, ada")
    assert shown.err == ("warning: it cannot be evaluated for 1 of 4 people: there is no profile.traits.plan (1)\n")
    assert await asyncio.to_thread(run, ["segments", "preview", "profile.traits.plan == 'pro'", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["estimate"], answer["low"], answer["high"], answer["of"], answer["sampled"]) == (2, 2, 2, 4, 4)
    assert await asyncio.to_thread(run, ["segments", "preview", "profile.computed.orders > 1"]) == 1
    assert capsys.readouterr().err.startswith("condition:1: where: ")
    assert await asyncio.to_thread(run, ["segments", "count", "profile.traits.plan == 'pro'", "--wait", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert (counted["state"], counted["counts"]) == ("done", {"members": 2, "not_evaluated": 1})


async def test_a_membership_is_explained_part_by_part(database_url: str, deployment: str, capsys: Output) -> None:
    async with segment_harness(database_url) as harness:
        await harness.apply(TRAITS)
        await harness.put(lapsing=LAPSING, buyers="profile.computed.orders >= 1")
        now = datetime.now(UTC)
        await harness.ingest(event("Order Completed", at=now), at=now)
    assert await asyncio.to_thread(run, ["segments", "explain", "u1", "buyers"]) == 0
    shown = capsys.readouterr().out
    assert "member       yes, since " in shown
    assert f"joined buyers: by Order Completed of {now:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert await asyncio.to_thread(run, ["segments", "explain", "u1", "lapsing"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["segment  lapsing", "member   no"]
    rows = [[cell for cell in line.split("  ") if cell] for line in lines[3:]]
    later = f"{now.astimezone() + timedelta(days=14):%Y-%m-%d %H:%M:%S}"
    assert [[cell.strip() for cell in row] for row in rows] == [
        ["PART", "HOLDS", "READS", "MAY CHANGE AT"],
        ["all of", "no", later],
        ["profile.computed.orders >= 1", "yes", "profile.computed.orders 1"],
        ["not", "no", later],
        ["any of", "yes", later],
        ["profile.computed.active_14d", "yes", "profile.computed.active_14d yes", later],
        ["profile.traits.plan == 'pro'", "?", "there is no profile.traits.plan"],
    ]
    assert await asyncio.to_thread(run, ["segments", "explain", "u1", "lapsing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["condition"]["parts"][0]["reads"] == {"profile.computed.orders": 1}
    assert await asyncio.to_thread(run, ["segments", "explain", "u1", "lapsin"]) == 1
    assert "there is no segment lapsin. Did you mean `lapsing`?" in capsys.readouterr().err
    assert await asyncio.to_thread(run, ["segments", "explain", "u9", "lapsing"]) == 1
    assert "nothing was ever reported of user u9" in capsys.readouterr().err


async def test_the_numbers_of_segments(database_url: str, deployment: str, capsys: Output) -> None:
    async with segment_harness(database_url) as harness:
        await harness.put(known="profile.user_id != null", buyers='profile.traits.plan == "pro"')
        await harness.ingest(event(None, "u1", type="identify", plan="pro"), event("Viewed", "u2"))
    assert await asyncio.to_thread(run, ["segments", "trend", "known", "--days", "2"]) == 0
    head, yesterday, today = (line.split() for line in capsys.readouterr().out.splitlines())
    assert head == ["DAY", "MEMBERS", "JOINED", "LEFT"]
    assert (yesterday[1:], today[1:]) == (["0", "0", "0"], ["2", "2", "0"])
    assert await asyncio.to_thread(run, ["segments", "overlap", "known", "buyers"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["both", "1"],
        ["only", "known", "1"],
        ["only", "buyers", "0"],
    ]
    assert await asyncio.to_thread(run, ["segments", "overlap", "known", "buyer", "--json"]) == 1
    assert "Did you mean `buyers`?" in capsys.readouterr().err
