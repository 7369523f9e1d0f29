"""The bench runs, and its document is about what it measures. No test here holds the machine to a time."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.temporal import connect
from tests.bench import (
    backtest,
    callbacks,
    console,
    cost,
    gate,
    ingest,
    mails,
    millions,
    previews,
    relay,
    segments,
    stops,
    streams,
    sweeper,
    traits,
)
from tests.bench.__main__ import FAMILIES, table
from tests.bench.measure import Result, beside, percentile
from tests.bench.rows import ROWS
from tests.bench.stack import Stack
from tests.servers import PostgresServer, TemporalServer, create_namespace

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def stack(postgres: PostgresServer, migrated: str, temporal: TemporalServer, tmp_path: Path) -> Stack:
    """The servers of the tests, and next to nothing to do.

    A campaign's workflow goes on after its measurement, and campaigns of other tests have the same keys: so it has a
    namespace of its own.
    """
    server = replace(temporal, namespace=f"bench-{uuid4().hex}")
    await create_namespace(server)
    client = await connect(server.address, server.namespace)
    return Stack(postgres, migrated, server, client, tmp_path, effort=0.01, has_forks=True)


@pytest.mark.takes_long
async def test_what_a_journey_costs(stack: Stack) -> None:
    found = {result.key: result for result in await cost.measure(stack)}
    assert found["actions"].figure == 4
    assert found["actions_two"].figure == 8
    assert all(found[key].is_met for key in ("actions", "events", "bytes", "events_two"))


@pytest.mark.takes_long
@pytest.mark.parametrize(
    ("measure", "keys"),
    [
        pytest.param(ingest.measure, ["ingest", "ingest_heard"], id="ingest"),
        pytest.param(callbacks.measure, ["ingest_callbacks"], id="callbacks"),
        pytest.param(traits.measure, ["ingest_traits", "ingest_unmentioned"], id="traits"),
        pytest.param(segments.measure, ["ingest_segments_50", "ingest_segments_500", "segments_pass"], id="segments"),
        pytest.param(previews.measure, ["preview"], id="previews"),
        pytest.param(sweeper.measure, ["sweeper_p99", "leaves_p99"], id="sweeper"),
        pytest.param(
            millions.measure,
            ["pass_millions", "preview_millions", "ingest_millions_50", "ingest_millions_500", "leaves_millions"],
            id="millions",
        ),
        pytest.param(gate.measure, ["gate", "gate_hot"], id="gate"),
        pytest.param(backtest.measure, ["backtest", "backtest_memory"], id="backtest"),
        pytest.param(mails.measure, ["mails"], id="mails"),
        pytest.param(relay.measure, ["relay"], id="relay"),
        pytest.param(streams.measure, ["streams_p50", "streams_p99", "ingest_streams"], id="streams"),
        pytest.param(console.measure, ["console", "ingest_console", "ingest_live"], id="console"),
        pytest.param(stops.measure, ["stop_person", "stop_batch", "stop_broken"], id="stops"),
    ],
)
async def test_figures_stand_beside_their_floors(
    stack: Stack, measure: Callable[[Stack], Awaitable[list[Result]]], keys: list[str]
) -> None:
    results = await measure(stack)
    assert [result.key for result in results] == keys
    assert all(result.figure > 0 and result.floor > 0 for result in results)


def test_a_ratio_is_that_of_rounds_not_of_medians() -> None:
    result = beside("relay", [(9.0, 10.0), (80.0, 100.0), (1.0, 2.0)])
    assert (result.figure, result.floor, result.ratio, result.is_met) == (9.0, 10.0, 0.8, True)


def test_a_percentile_lies_among_the_values() -> None:
    assert percentile([float(number) for number in range(101)], 99) == 99.0


def test_every_bound_of_a_goal_counts() -> None:
    row = ROWS["latency_p50"]
    assert row.goal == "at most 2 times the floor, below 20 ms"
    assert row.is_met(19, 10, 1.9)
    assert not row.is_met(21, 20, 1.05)
    assert not row.is_met(19, 9, 2.1)
    assert not ROWS["events"].is_met(26, 22, 26 / 22)


def test_the_document_has_the_rows_of_the_bench() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text()
    written = [
        line.split(" | ") for line in page.splitlines() if re.fullmatch(r"\| .+ \| (yes|no|not measured) \|", line)
    ]
    measured = table([Result(key, 1, 1, 1) for key in ROWS])[2:]
    assert [(_what(cells), cells[4]) for cells in written] == [
        (_what(cells), cells[4]) for cells in (line.split(" | ") for line in measured)
    ]
    for name in FAMILIES:
        assert f"`{name}`" in page


def _what(cells: list[str]) -> tuple[str, str]:
    """The row, and what its floor is."""
    return cells[0].removeprefix("| "), cells[2].partition("(")[2]
