"""What a document would change, and applying just that."""

import asyncio
import json
import re
from pathlib import Path

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output, a_campaign
from tests.harness import WRITE_KEY, Harness

FIRST = """\
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps:
  - {id: cool-off, delay: 30m}
  - {id: reflect, delay: 3d}
"""
# Without the step at which journeys are, and with another one changed.
SECOND = """\
key: cart
name: Cart
entry: {event: Cart Abandoned}
steps:
  - {id: reflect, delay: 2d}
  - {id: rest, delay: 1d}
"""


@pytest.fixture
async def in_flight(harness: Harness, deployment: str, folder: Path) -> Harness:
    """A running campaign with two journeys at its first step and one at its second."""
    await harness.run_campaign(FIRST)
    for user in ("ada", "bob", "cy"):
        await harness.track(user, "Cart Abandoned")
    waiting = "SELECT 1 FROM journeys HAVING count(*) FILTER (WHERE status = 'waiting' AND step = %s) = %s"
    await harness.until(waiting, "cool-off", 3)
    await harness.skip(await harness.journey("cy"), minutes=30)
    await harness.until(waiting, "reflect", 1)
    return harness


async def sojourn(*arguments: str) -> int:
    return await asyncio.to_thread(run, list(arguments))


@pytest.mark.usefixtures("deployment")
def test_a_campaign_that_is_not_there_yet(folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder))
    assert run(["plan", file, "--exit-code"]) == 4
    summary, plan = capsys.readouterr().out.splitlines()
    assert summary == ("abandoned-cart: version 1 is new; it lets no users in before `sojourn start abandoned-cart`")
    assert re.fullmatch(r"Plan none-0-0-[0-9a-f]{32}", plan)
    assert run(["apply", file, "--plan", plan.split()[1]]) == 0
    applied = "abandoned-cart: version 1 published, draft; `sojourn start abandoned-cart` lets users in\n"
    assert capsys.readouterr().out == applied
    assert run(["plan", file, "--exit-code"]) == 0
    assert capsys.readouterr().out.startswith("abandoned-cart: nothing changes, version 1 is the same\n")


@pytest.mark.usefixtures("deployment")
def test_an_attached_file_is_stored_with_its_campaign(folder: Path, capsys: Output) -> None:
    send = "{id: a, send: {channel: email, template: a}}"
    file = a_campaign(folder, "one", f"key: one\nname: One\nentry: {{event: Go}}\nsteps: [{send}]\n")
    attached = folder / "templates/attachments/terms.pdf"
    attached.parent.mkdir(parents=True)
    front = "channel: email\nfrom: a@example.com\nsubject: A\ntext: A\nattachments: [terms.pdf]"
    (folder / "templates/a.liquid").write_text(f"---\n{front}\n---\n<p>A</p>")
    for version, data in ((1, b"%PDF-1.4 first"), (2, b"%PDF-1.4 second"), (3, b"%PDF-1.4 first")):
        attached.write_bytes(data)
        assert run(["apply", str(file)]) == 0
        assert f"one: version {version} published" in capsys.readouterr().out


def test_documents_of_the_deployment_are_no_campaigns(folder: Path, deployment: str, capsys: Output) -> None:
    a_campaign(folder)
    computed = folder / "computed.yaml"
    computed.write_text("computed:\n  orders: {count: Order Completed}\n", encoding="utf-8")
    for command in ("plan", "apply"):
        assert run([command, str(folder)]) == 1
        [refusal, *_] = capsys.readouterr().err.splitlines()
        said = "is the document of the computed traits, not a campaign. Apply it by"
        assert f"{said} `sojourn computed apply {computed}`" in refusal
    campaign = folder / "abandoned-cart.yaml"
    for group, kind in (("segments", "a segment"), ("lifecycle", "the document of the life cycle")):
        assert run([group, "apply", str(campaign)]) == 1
        refusal = capsys.readouterr().err
        assert refusal.startswith(
            f"sojourn: {campaign} is a campaign, not {kind}. Apply it by `sojourn apply {campaign}`"
        )
    # Someone has a past that may count.
    call = {"userId": "ada", "event": "Order Completed"}
    assert httpx.post(f"{deployment}/v1/track", json=call, auth=(WRITE_KEY, ""), trust_env=False).is_success
    assert run(["computed", "apply", str(computed)]) == 0
    applied, hint = capsys.readouterr().out.splitlines()
    assert applied == "computed traits: version 1, 1 rule"
    assert hint == "past events are counted for 1 rule, without a value until then: `sojourn operations`"


@pytest.mark.usefixtures("deployment")
def test_an_event_that_was_never_reported_is_said_so(capsys: Output) -> None:
    assert run(["events", "seen", "Order Complete"]) == 0
    assert capsys.readouterr() == ("", "No Order Complete was counted so far: `sojourn events seen` lists what was\n")


@pytest.mark.usefixtures("deployment")
def test_what_a_template_does_is_said_once_for_all_campaigns(folder: Path, capsys: Output) -> None:
    templates = folder / "templates"
    templates.mkdir(exist_ok=True)
    wrong = "---\nchannel: email\nfrom: a@example.com\nsubject: Hi\ntext: Hi\n---\n{{ profil.traits.a }}\n"
    sending = "entry: {event: E}\nsteps: [{id: mail, send: {channel: email, template: hi}}]\n"
    files = [str(a_campaign(folder, key, f"key: {key}\nname: A\n{sending}")) for key in ("one", "two")]
    named = "(2 campaigns: one.yaml, two.yaml). "
    for command in ("plan", "apply"):
        (templates / "hi.liquid").write_text(wrong)
        assert run([command, *files]) == 1
        first, *others = capsys.readouterr().err.splitlines()
        assert named in first
        assert others == ([] if command == "plan" else ["sojourn: nothing was published: all files are, or none"])
        (templates / "hi.liquid").write_text(wrong.replace("profil.", "profile."))
        assert run([command, *files]) == 0
        warnings = [line for line in capsys.readouterr().err.splitlines() if "hi.liquid" in line]
        assert len(warnings) == 1
        assert named in warnings[0]


async def test_the_difference_and_the_users_in_flight(in_flight: Harness, folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder, "cart", SECOND))
    assert await sojourn("plan", file, "--in-flight", "migrate") == 0
    summary, *changes = capsys.readouterr().out.splitlines()
    assert summary == "cart: version 2 is new, with 3 changes since version 1; users come in by it from now on"
    assert changes[:3] == [
        "  - step cool-off is gone",
        "  ~ step reflect: delay was 3d and is 2d",
        "  + step rest is new, after reflect",
    ]
    header, staying, migrating, totals, plan = changes[4:]
    assert header.split("  ")[0] == "VERSION"
    assert re.fullmatch(r"1 +cool-off +2 +stays +step removed", staying)
    assert re.fullmatch(r"1 +reflect +1 +migrates", migrating)
    assert totals == "In flight: stays 2, migrates 1"
    assert plan.startswith("Plan running-1-1-")


async def test_apply_does_what_the_plan_said(in_flight: Harness, folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder, "cart", SECOND))
    assert await sojourn("plan", file, "--in-flight", "migrate", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert await sojourn("apply", file, "--in-flight", "migrate", "--plan", plan["hash"], "--watch") == 0
    applied, *progress = capsys.readouterr().out.splitlines()
    assert applied == "cart: version 2 published, running"
    assert progress[-1].startswith("migrate cart: done, ")
    versions = await in_flight.query("SELECT step, campaign_version FROM journeys ORDER BY step, campaign_version")
    assert [tuple(row.values()) for row in versions] == [("cool-off", 1), ("cool-off", 1), ("reflect", 2)]


async def test_apply_shows_what_it_does(in_flight: Harness, folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder, "cart", SECOND))
    assert await sojourn("apply", file, "--in-flight", "exit") == 0
    shown = capsys.readouterr().out.splitlines()
    assert "  ~ step reflect: delay was 3d and is 2d" in shown
    assert "In flight: exits 3" in shown
    assert shown[-2] == "cart: version 2 published, running"
    assert shown[-1].startswith("cart: exit ")


async def test_apply_for_scripts(in_flight: Harness, folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder, "cart", SECOND))
    assert await sojourn("apply", file, "--in-flight", "exit", "--watch", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["applied"][0]["file"], answer["applied"][0]["version"]) == (file, 2)
    assert (answer["operations"][0]["kind"], answer["operations"][0]["state"]) == ("exit", "done")


async def test_what_is_not_as_planned_any_more_is_refused(in_flight: Harness, folder: Path, capsys: Output) -> None:
    file = a_campaign(folder, "cart", SECOND)
    assert await sojourn("plan", str(file), "--json") == 0
    planned = json.loads(capsys.readouterr().out)["hash"]
    assert await sojourn("pause", "cart") == 0
    assert await sojourn("apply", str(file), "--plan", planned) == 5
    assert "the plan for cart is outdated: the state was running and is paused" in capsys.readouterr().err
    assert await sojourn("resume", "cart") == 0
    file.write_text(SECOND.replace("2d", "4d"))
    assert await sojourn("apply", str(file), "--plan", planned) == 5
    assert "the document is another" in capsys.readouterr().err
