"""Looking at journeys, and ending them and their waits, by one and by many."""

import asyncio
import json
import re
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import Harness

CAMPAIGN = """\
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps:
  - {id: cool-off, delay: 30m}
  - {id: reflect, delay: 3d}
"""
USERS = ("ada", "bob", "cy")


@pytest.fixture
async def resting(harness: Harness, deployment: str) -> Harness:
    """A running campaign with a journey of each user that rests."""
    await harness.run_campaign(CAMPAIGN)
    for user in USERS:
        await harness.track(user, "Cart Abandoned")
    await harness.until("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM outbox)")
    await harness.until("SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE status = 'waiting') = %s", len(USERS))
    return harness


async def sojourn(*arguments: str) -> int:
    return await asyncio.to_thread(run, ["journeys", *arguments])


async def id_of(harness: Harness, user: str) -> str:
    rows = await harness.query(
        "SELECT journeys.id::text FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = %s", user
    )
    return str(rows[0]["id"])


async def test_explain_ends_with_where_the_journey_is(resting: Harness, capsys: Output) -> None:
    await resting.identify("ada", timezone="Asia/Tokyo")
    [row] = await resting.query(
        "SELECT wakes_at FROM journeys JOIN profiles ON profiles.id = profile_id WHERE user_id = 'ada'"
    )
    wakes_at = row["wakes_at"].astimezone(ZoneInfo("Asia/Tokyo"))
    assert await asyncio.to_thread(run, ["explain", "ada"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    # The date is told where it is not today's, as in the half hour before midnight.
    assert re.fullmatch(rf"now: waits at cool-off until (\S+ )?{wakes_at:%H:%M} \(Asia/Tokyo\), in cart", last)


async def test_explain_tells_journeys_of_one_campaign_apart(harness: Harness, deployment: str, capsys: Output) -> None:
    await harness.run_campaign(CAMPAIGN.replace("Abandoned}", "Abandoned, key: event.properties.cart_id}"))
    for cart in ("c-1", "c-2"):
        await harness.track("ada", "Cart Abandoned", {"cart_id": cart})
    await harness.journeys.until(2)
    assert await asyncio.to_thread(run, ["explain", "ada"]) == 0
    where = [line.rpartition(", in ")[2] for line in capsys.readouterr().out.splitlines() if line.startswith("now: ")]
    assert where == ["cart (c-2)", "cart (c-1)"]
    assert await asyncio.to_thread(run, ["explain", "ada", "--json"]) == 0
    assert [each["entry_key"] for each in json.loads(capsys.readouterr().out)["now"]] == ["c-2", "c-1"]


async def test_the_list_and_its_choices(resting: Harness, capsys: Output) -> None:
    assert await sojourn() == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["JOURNEY", "USER", "CAMPAIGN", "V", "STATE", "STEP", "NEXT"]
    shown = [re.split(r"  +", row) for row in rows]
    assert [row[1:6] for row in shown] == [[user, "cart", "1", "waiting", "cool-off"] for user in reversed(USERS)]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", row[6]) for row in shown)
    for chosen, found in (
        (["--user", "bob"], ["bob"]),
        (["--campaign", "cart", "--version", "1", "--step", "cool-off", "--limit", "1"], ["cy"]),
        (["--state", "completed"], []),
        (["--status", "held"], []),
        (["--entered-after", "2020-01-01", "--entered-before", "2020-02-01T10:00"], []),
        (["--entered-after", "2020-01-01T10:00:00+0200", "--user", "ada"], ["ada"]),
    ):
        assert await sojourn(*chosen, "--json") == 0
        assert [each["user_id"] for each in json.loads(capsys.readouterr().out)["journeys"]] == found


async def test_a_long_list_goes_on(resting: Harness, capsys: Output) -> None:
    assert await sojourn("--limit", "2") == 0
    more = capsys.readouterr().err
    assert more.startswith("There are more: --after ")
    assert await sojourn(*more.split()[-2:]) == 0
    output = capsys.readouterr()
    assert "ada" in output.out
    assert output.err == ""


async def test_one_with_its_story(resting: Harness, capsys: Output) -> None:
    id = await id_of(resting, "ada")
    assert await sojourn("show", id) == 0
    shown = capsys.readouterr().out
    for fact in ("Campaign  cart, version 1", "User      ada", "State     waiting", "Step      cool-off"):
        assert fact in shown
    assert re.search(r"^Next +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}$", shown, re.MULTILINE)
    assert re.search(r"^Temporal +http://localhost:8233/namespaces/default/workflows/cart", shown, re.MULTILINE)
    assert "entry: entered cart" in shown
    assert await sojourn("show", id, "--json") == 0
    assert json.loads(capsys.readouterr().out)["timeline"][0]["kind"] == "entry"


async def test_by_id(resting: Harness, capsys: Output) -> None:
    ada, bob, unknown = await id_of(resting, "ada"), await id_of(resting, "bob"), str(uuid4())
    assert await sojourn("exit", ada, unknown, bob) == 1
    output = capsys.readouterr()
    assert output.out == f"{ada}: exited\n{bob}: exited\n"
    assert output.err == f"sojourn: there is no journey {unknown}\n"
    cy = await id_of(resting, "cy")
    assert await sojourn("skip", cy) == 0
    await resting.journeys.until(id=cy, step="reflect")
    capsys.readouterr()
    assert await sojourn("--json", "exit", cy) == 0
    assert [each["id"] for each in json.loads(capsys.readouterr().out)["journeys"]] == [cy]


async def test_by_choice(resting: Harness, capsys: Output) -> None:
    assert await sojourn("skip", "--campaign", "cart", "--user", "ada", "--watch") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("skip cart: done, 1 of 1")
    await resting.journeys.until(step="reflect", status="waiting")
    assert await sojourn("exit", "--campaign", "cart", "--step", "cool-off", "--watch", "--json") == 0
    output = capsys.readouterr()
    assert (json.loads(output.out)["state"], json.loads(output.out)["done"]) == ("done", 2)
    assert "exit cart: done, 2 of 2" in output.err
    assert len(await resting.journeys.all(state="active")) == 1


async def test_what_was_begun_can_be_watched_later(resting: Harness, capsys: Output) -> None:
    assert await sojourn("exit", "--campaign", "cart") == 0
    told = capsys.readouterr().out.strip()
    assert told.startswith("cart: exit pending. Watch it: sojourn operations ")
    watch = told.partition("sojourn ")[2].split()
    assert await asyncio.to_thread(run, watch) == 0
    assert "done, 3 of 3" in capsys.readouterr().out


@pytest.mark.usefixtures("deployment")
@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--state", "lost"], 1, "sojourn: query.state: "),
        (["exit", "--campaign", "none"], 1, "sojourn: there is no campaign none"),
    ],
)
def test_what_is_refused(capsys: Output, arguments: list[str], status: int, told: str) -> None:
    assert run(["journeys", *arguments]) == status
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())
