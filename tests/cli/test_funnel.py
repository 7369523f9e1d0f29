"""How far journeys came, as tables."""

import asyncio
import json
import re

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import Harness

CAMPAIGN = """\
key: cart
name: Cart
entry: {event: Cart Abandoned}
exit: [{event: Order Completed}]
steps:
  - {id: offer, split: {arms: {rebate: 1, plain: 1}}, rebate: [], plain: []}
  - id: fork
    branch: [{when: entry.properties.vip == true, do: []}]
    otherwise:
      - {id: nudge, send: {channel: email, template: note, expires: 1h}}
  - {id: rest, delay: 3d}
"""


async def test_the_funnel_step_by_step(harness: Harness, deployment: str, capsys: Output) -> None:
    await harness.run_campaign(CAMPAIGN)
    await harness.identify("ada", email="ada@example.com")
    for user in ("ada", "bob", "bob"):
        await harness.track(user, "Cart Abandoned")
    await harness.until(
        "SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE step = 'rest' AND status = 'waiting') = 2"
    )
    await harness.track("bob", "Order Completed")
    await harness.query(
        "UPDATE messages SET delivered_at = at, opened_at = at, clicked_at = at, replied_at = at RETURNING 1"
    )
    assert await asyncio.to_thread(run, ["funnel", "cart"]) == 0
    shown = capsys.readouterr().out
    head, steps, offer, fork, nudge, rest, _, columns, reported, ended, *more = shown.splitlines()
    assert head == "cart, version 1: 2 journeys (under way 1, exited 1), 0 goals"
    assert steps.split("  ")[0] == "STEP"
    assert re.fullmatch(r"offer +split +2", offer)
    assert re.fullmatch(r"fork +branch +2", fork)
    assert re.fullmatch(r"  nudge +send +2 +1 +unreachable 1", nudge)
    assert re.fullmatch(r"rest +delay +2 +waiting 1", rest)
    assert columns.split() == ["REPORTED", "OF", "DELIVERED", "OPENED", "CLICKED", "REPLIED", "BOUNCED", "COMPLAINED"]
    assert reported.split() == ["nudge", "1", "1", "1", "1", "0", "0"]
    assert ended == "Ended early: exit event 1"
    assert sum(int(number) for number in re.findall(r"^offer +(?:rebate|plain) +(\d) +0$", shown, re.MULTILINE)) == 2
    assert more[-1] == "Not let in: already in 1"
    assert await asyncio.to_thread(run, ["funnel", "cart", "--version", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["versions"][0]["entered"] == 2


async def test_the_funnel_of_what_is_not_there(harness: Harness, deployment: str, capsys: Output) -> None:
    assert await asyncio.to_thread(run, ["funnel", "none"]) == 1
    assert capsys.readouterr().err.startswith("sojourn: there is no campaign none")
