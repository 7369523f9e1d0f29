"""docs/journeys.md is true: its calls are made, in its order, and its tables are those of the code."""

import re
import shlex
from pathlib import Path
from typing import Any

import httpx

from api.campaign_graphs import GraphNode
from api.funnel import Funnel, SendFunnel, StepFunnel, VersionFunnel
from api.journeys import JourneyQuery
from domain.journey.reconciliation import Finding
from tests.harness import ADMIN_KEY, Harness

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "journeys.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
CART = (ROOT / "examples" / "abandoned-cart.yaml").read_text()
TEMPLATES = {path.name: path.read_text() for path in (ROOT / "examples" / "templates").glob("*.liquid")}


def table(heading: str) -> list[list[str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


async def curl(http: httpx.AsyncClient, line: str, known: dict[str, str]) -> Any:
    """What curl does with the options that the page uses: -H, -X and -d."""
    for name, value in known.items():
        line = line.replace(f"${name}", value)
    words = iter(shlex.split(line)[1:])
    method, url, body, headers = None, "", None, {}
    for word in words:
        match word:
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-X":
                method = next(words)
            case "-d":
                body = next(words)
            case _:
                url = word
    target = httpx.URL(url)
    answer = await http.request(
        method or ("GET" if body is None else "POST"),
        target.raw_path.decode(),
        headers=headers,
        content=body,
    )
    assert answer.is_success, f"{line}\n{answer.text}"
    return answer.json()


async def test_the_calls_of_the_page(harness: Harness) -> None:
    await harness.run_campaign(CART, TEMPLATES)
    for user in ("u-2", "u-1"):
        await harness.track(
            user, "Cart Abandoned", {"value": 120, "cart_id": "c-1", "checkout_url": "https://shop.example.com/c-1"}
        )
        await harness.rests(await harness.journey(user), "cool-off")
    known = {"KEY": ADMIN_KEY}
    answers: list[tuple[str, Any]] = []
    for line in LINES:
        if not line.startswith("curl "):
            assert line.startswith("export ")
            continue
        answer = await curl(harness.http, line, known)
        answers.append((line, answer))
        for journey in answer.get("journeys", []) if isinstance(answer.get("journeys"), list) else []:
            known["JOURNEY" if journey["user_id"] == "u-1" else "OTHER"] = journey["id"]
        if "requested_by" in answer:
            known["RECONCILIATION"] = answer["id"]
    lists = [len(answer["journeys"]) for line, answer in answers if "/v1/journeys?" in line]
    assert lists == [2, 1, 2, 2]
    [counted] = [answer["journeys"] for line, answer in answers if "dry_run" in line]
    assert counted <= 1
    [funnel, of_version] = [answer for line, answer in answers if "/funnel" in line]
    assert [version["entered"] for version in funnel["versions"]] == [2]
    assert of_version["versions"][0]["version"] == 1
    [graph] = [answer for line, answer in answers if "/graph" in line]
    assert graph["nodes"][0]["came"] == 2


def test_the_page_names_every_filter_and_every_number_and_finding() -> None:
    filters = set(JourneyQuery.model_fields) - {"limit", "after"}
    looking = PAGE.partition("A list is filtered by")[2].partition("all that is given")[0]
    assert set(re.findall(r"`(\w+)`", looking)) == filters
    named = {name for row in table("The funnel") for name in re.findall(r"`(\w+)`", row[0])}
    shown = {*Funnel.model_fields, *VersionFunnel.model_fields, *StepFunnel.model_fields, *SendFunnel.model_fields}
    assert named == shown - {
        *("campaign", "versions", "version", "steps", "id", "kind", "within", "block", "depth", "messages")
    }
    graph = {name for row in table("The graph") for cell in row for name in re.findall(r"`(\w+)`", cell)}
    assert graph == {*GraphNode.model_fields, "people", "ends"} - {"id", "kind", "label", "within", "block", "depth"}
    assert [row[0].strip("`") for row in table("Reconciliation")] == [finding.value for finding in Finding]
