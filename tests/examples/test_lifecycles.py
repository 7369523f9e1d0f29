"""The life cycles that ship: each aim has a campaign that serves it, and people go forth and back in them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.documents import templates_beside
from domain.ad_audiences.audiences_document import parse_audiences
from domain.campaign.publication import check
from domain.deployed_names import DeployedNames
from domain.people.computed_document import parse_computed
from domain.people.lifecycle_document import check_conditions, parse_lifecycle
from domain.people.segments.causes import describe_change
from domain.people.segments.stages import stage_segment
from tests.examples.harness import EXAMPLES, ExampleHarness, Walker

FOLDERS = sorted(path for path in (EXAMPLES / "lifecycles").iterdir() if path.is_dir())
DOCUMENTS = ("computed", "lifecycle")


def campaigns_of(folder: Path) -> list[Path]:
    """The campaigns of a folder, without the scenarios beside them."""
    documents = (path for path in sorted(folder.glob("*.yaml")) if not path.name.endswith(".test.yaml"))
    return [path for path in documents if path.stem not in DOCUMENTS]


def names_of(folder: Path) -> DeployedNames:
    """The names of a deployment with the life cycle, and with the computed traits and audiences of all examples."""
    stages = parse_lifecycle((folder / "lifecycle.yaml").read_text(), "lifecycle.yaml")
    files = (folder / "computed.yaml", EXAMPLES / "computed" / "computed.yaml")
    traits = {one.key: one.rule.type for file in files for one in parse_computed(file.read_text(), file.name)}
    ads = EXAMPLES / "audiences" / "audiences.yaml"
    audiences = [one.name for one in parse_audiences(ads.read_text(), ads.name) if one.mirror is None]
    segments = [stage_segment(stage.key) for stage in stages]
    return DeployedNames(traits, segments, stages=stages, audiences=audiences)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_life_cycle_can_be_applied_with_its_traits(folder: Path) -> None:
    computed = parse_computed((folder / "computed.yaml").read_text(), "computed.yaml")
    names = DeployedNames({one.key: one.rule.type for one in computed}, ())
    check_conditions((folder / "lifecycle.yaml").read_text(), "lifecycle.yaml", names, {})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_aim_has_a_campaign_that_serves_it(folder: Path) -> None:
    names, served = names_of(folder), set[str]()
    for path in campaigns_of(folder):
        published = check(path.read_text(), path.name, templates_beside(path), names)
        assert (published.definition.key, published.warnings) == (path.stem, [])
        served.add(published.definition.stage or "")
    for path in campaigns_of(EXAMPLES):
        stage = next(line for line in path.read_text().splitlines() if line.startswith("stage: "))
        if stage.removeprefix("stage: ") in {one.key for one in names.stages} and "set_stage" not in path.read_text():
            published = check(path.read_text(), path.name, templates_beside(path), names)
            served.add(published.definition.stage or "")
    assert {stage.key for stage in names.stages if stage.aim} <= served


@pytest.mark.parametrize(
    "path",
    [path for folder in FOLDERS for path in folder.glob("*.yaml")],
    ids=lambda path: f"{path.parent.name}/{path.stem}",
)
def test_the_first_lines_say_the_schema_and_what_it_does(path: Path) -> None:
    directive, about, *_ = path.read_text().splitlines()
    kind = path.stem if path.stem in DOCUMENTS else "campaign"
    named = directive.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == EXAMPLES.parent / "schemas" / f"{kind}.schema.json"
    assert about.startswith("# ")


async def apply(example: ExampleHarness, folder: Path) -> None:
    """Apply the documents of a life cycle, and start its campaigns."""
    for name in DOCUMENTS:
        source = (folder / f"{name}.yaml").read_text()
        await example.harness.admin("PUT", f"/v1/{name}", {"file": f"{name}.yaml", "source": source})
    for path in campaigns_of(folder):
        await example.harness.run_campaign(path.read_text(), templates_beside(path))


async def changes_of(example: ExampleHarness, user: str) -> list[str]:
    """Each move of a user, explained."""
    rows = await example.harness.query(
        "SELECT key, has_joined, cause FROM segment_changes JOIN segments ON segments.id = segment_id "
        "WHERE profile_id = (SELECT id FROM profiles WHERE user_id = %s) ORDER BY segment_changes.id",
        user,
    )
    return [describe_change(row["key"], row["has_joined"], row["cause"]).partition(" of 20")[0] for row in rows]


@pytest.mark.takes_long
async def test_a_customer_goes_on_and_back_and_becomes_a_regular(example: ExampleHarness) -> None:
    """Conversion, retention, back for want of orders, and loyalty: each begins a journey and ends the one before."""
    await apply(example, EXAMPLES / "lifecycles" / "shop")
    ada = Walker("ada", example.harness, example.receiver)
    await ada.signs_up(consent={"email": True})
    await ada.does("Cart Abandoned")
    await ada.sees("entered first-order")
    await ada.waits(hours=5)
    await ada.does("Order Completed")
    await ada.sees("left first-order: ended by leaves stage.conversion")
    await ada.sees("entered next-order")
    await ada.waits(days=100)
    await ada.does("Cart Abandoned")
    await ada.sees("left next-order: ended by leaves stage.retention")
    for _ in range(3):
        await ada.does("Order Completed")
        await ada.waits(days=1)
    await ada.sees("entered regulars")
    changes = await changes_of(example, "ada")
    assert [change for change in changes if "joined" in change] == [
        "joined stage.acquisition: by identify",
        "joined stage.conversion: by Cart Abandoned",
        "joined stage.retention: by Order Completed",
        "joined stage.conversion: `profile.computed.orders_90d >= 1` was no longer true as",
        "joined stage.retention: by Order Completed",
        "joined stage.loyalty: by Order Completed",
    ]
    journeys = await example.harness.query(
        "SELECT campaign_key, state FROM journeys JOIN profiles ON profiles.id = profile_id "
        "WHERE user_id = 'ada' ORDER BY campaign_key, state"
    )
    assert [(row["campaign_key"], row["state"]) for row in journeys] == [
        ("first-order", "exited"),
        ("first-order", "exited"),
        ("next-order", "exited"),
        ("next-order", "exited"),
        ("regulars", "active"),
    ]
    flow = await lived(example)
    moves = {(move["before"], move["after"]): move for move in flow["moves"]}
    assert [move["text"] for move in flow["deviations"]] == ["50 % go retention > conversion, drawn nowhere"]
    # The second order came after the last mail of the stage that Ada had fallen out of.
    assert [(one["campaign"], one["step"], one["moves"]) for one in moves["conversion", "retention"]["messages"]] == [
        ("first-order", "reminder", 1),
        ("next-order", "more", 1),
    ]
    assert moves["retention", "conversion"]["median_days"] == pytest.approx(90, abs=0.1)


async def lived(example: ExampleHarness) -> Any:
    """The flow of a year from yesterday on: people here are ahead of the deployment's clock."""
    now = datetime.now(UTC)
    begin, end = (f"{now + timedelta(days=days):%Y-%m-%dT%H:%M:%SZ}" for days in (-1, 365))
    return await example.harness.admin("GET", f"/v1/lifecycle/flow?from={begin}&to={end}")
