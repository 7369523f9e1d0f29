"""python -m tests.bench: measure, print the table of docs/benchmarks.md, and write it where JSON names a file."""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec

from runtime.process import exit_now
from tests.bench import (
    backtest,
    callbacks,
    console,
    cost,
    crowd,
    gate,
    ingest,
    journeys,
    latency,
    mails,
    memory,
    messages,
    millions,
    previews,
    relay,
    segments,
    stops,
    streams,
    sweeper,
    traits,
)
from tests.bench.measure import Result
from tests.bench.rows import ROWS
from tests.bench.stack import open_stack

FAMILIES = {
    "ingest": ingest.measure,
    "callbacks": callbacks.measure,
    "traits": traits.measure,
    "segments": segments.measure,
    "previews": previews.measure,
    "sweeper": sweeper.measure,
    "journeys": journeys.measure,
    "cost": cost.measure,
    "latency": latency.measure,
    "gate": gate.measure,
    "crowd": crowd.measure,
    "mails": mails.measure,
    "messages": messages.measure,
    "relay": relay.measure,
    "memory": memory.measure,
    "stops": stops.measure,
    "streams": streams.measure,
    "console": console.measure,
    "backtest": backtest.measure,
    "millions": millions.measure,
}
# A quarter of an hour each by themselves, and up to 10 GB.
ONLY_BY_NAME = {"console", "millions"}


def table(results: list[Result]) -> list[str]:
    """The table in Markdown, in the order of the rows."""
    lines = ["| what | figure | floor | ratio | goal | met |", "|---|---|---|---|---|---|"]
    measured = {result.key: result for result in results}
    for key, row in ROWS.items():
        if (result := measured.get(key)) is not None:
            lines.append(
                f"| {row.what} | {_shown(result.figure)} {row.unit} | {_shown(result.floor)} ({row.floor}) | "
                f"{result.ratio:.2f} | {row.goal} | {'yes' if result.is_met else 'no'} |"
            )
    return lines


def _shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


async def _measured() -> list[Result]:
    chosen = os.environ.get("ONLY") or None
    if chosen is not None and chosen not in FAMILIES:
        sys.exit(f"ONLY is one of {', '.join(FAMILIES)}")
    results: list[Result] = []
    for name, measure in FAMILIES.items():
        if chosen == name or (chosen is None and name not in ONLY_BY_NAME):
            began = time.monotonic()
            # Servers of their own for each: none inherits what another has left.
            async with open_stack() as stack:
                results += await measure(stack)
            sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return results


def main() -> None:
    results = asyncio.run(_measured())
    notes = [f"{ROWS[result.key].what}: {result.note}" for result in results if result.note]
    sys.stdout.write("\n".join([*table(results), "", *notes]) + "\n")
    if file := os.environ.get("JSON"):
        Path(file).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=2))


if __name__ == "__main__":
    main()
    exit_now(0)
