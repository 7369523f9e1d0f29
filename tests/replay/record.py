"""Record the history of each kind of workflow that this release has none of yet: `make histories`.

Each release has a folder of its own, and all of them are kept and replayed. A history is never recorded again to make a
test pass: a change that does not replay needs `workflow.patched`.
"""

import asyncio
import json
import tempfile
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
from temporalio.client import WorkflowHandle

from runtime.embedded.postgres import EmbeddedPostgres
from runtime.embedded.temporal import EmbeddedTemporal
from runtime.process import exit_now
from runtime.temporal import SEARCH_ATTRIBUTES
from store.migrate import upgrade
from tests.harness import Harness, open_harness
from tests.replay import campaigns, sends, steps
from tests.servers import TemporalServer

HISTORIES = Path(__file__).parent / "histories"
RELEASE = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["version"]
FOLDER = HISTORIES / RELEASE
Journey = WorkflowHandle[Any, Any]


KINDS: list[Callable[[Harness], Awaitable[Journey]]] = [
    sends.mail_sent,
    sends.exited_in_the_delay,
    sends.showed_how_it_ended,
    sends.unreachable,
    sends.deferred_and_sent,
    sends.exited_while_deferred,
    sends.held_and_resumed,
    sends.exited_while_the_send_is_retried,
    steps.engaged,
    steps.timed_out_to_a_case,
    steps.timed_out_to_otherwise,
    sends.capped_and_exited,
    steps.continued_as_new,
    steps.until_a_time,
    steps.moved_during_the_delay,
    steps.date_past,
    steps.random_delay,
    steps.split,
    steps.repeated_twice,
    steps.repeated_until_an_event,
    steps.repeated_until_a_condition,
    steps.ended_by_an_event_while_the_send_is_retried,
    steps.repeated_over_runs,
    steps.did_things,
    campaigns.schedule_ended,
    campaigns.schedule_ended_while_held,
    sends.postponed,
    sends.sent_to_members,
    steps.rested_again_and_again,
    steps.skipped_its_waits,
    steps.rested_over_runs,
    sends.held_and_retimed,
    campaigns.moved_to_another_version,
    campaigns.stayed_on_its_version,
    campaigns.campaign_lived,
    campaigns.audience_came_round,
    sends.sent_at_a_pace,
    sends.sent_to_members_at_a_pace,
    sends.failed_and_retried,
    sends.sent_by_the_next_channel,
    sends.followed_by_a_fallback,
]


async def record() -> None:
    with tempfile.TemporaryDirectory() as made:
        _prepare(Path(made))
        postgres = await EmbeddedPostgres.start(Path(made) / "postgres", durable=False)
        temporal = await EmbeddedTemporal.start(
            None,
            ui=False,
            search_attributes=SEARCH_ATTRIBUTES,
            dynamic_config={"limit.historyCount.suggestContinueAsNew": "60"},
        )
        try:
            for kind in KINDS:
                file = FOLDER / f"{kind.__name__}.json"
                if not file.exists():
                    await _record(kind, file, postgres.url, TemporalServer(temporal.address))
        finally:
            await temporal.stop()
            await postgres.stop()


def _prepare(folder: Path) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)  # the servers' own user is to reach it


async def _record(
    kind: Callable[[Harness], Awaitable[Journey]], file: Path, postgres_url: str, temporal: TemporalServer
) -> None:
    base, _, _ = postgres_url.rpartition("/")
    name = f"replay_{kind.__name__}"
    await _create(postgres_url, name)
    await asyncio.to_thread(upgrade, f"{base}/{name}")
    async with open_harness(f"{base}/{name}", temporal, task_queue=f"replay-{kind.__name__}") as harness:
        handle = await kind(harness)
        await handle.result()
        last = harness.temporal.get_workflow_handle(handle.id)
        _write(file, json.loads((await last.fetch_history()).to_json()))


def _write(file: Path, history: Any) -> None:
    """Without what tells of the machine that recorded it: it plays no part in a replay."""

    def kept(value: Any) -> Any:
        match value:
            case {"kind": "TASK_QUEUE_KIND_STICKY"}:
                return {**value, "name": "sticky"}
            case dict():
                return {key: kept(part) for key, part in value.items() if key not in ("identity", "stackTrace")}
            case list():
                return [kept(part) for part in value]
            case _:
                return value

    file.write_text(json.dumps(kept(history), indent=1) + "\n")


async def _create(url: str, name: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(f"CREATE DATABASE {name}")


if __name__ == "__main__":
    asyncio.run(record())
    exit_now(0)
