"""A worker is killed with a message to several addresses in its hands, before or amid the hand-over."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.harness import ADMIN_KEY, PATIENCE, WRITE_KEY, Harness, looks, open_harness
from tests.proofs import rounds
from tests.servers import TemporalServer
from tests.sockets.test_sockets import CAMPAIGN, PAGE, answer, api, choose_recorder, worker

ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}
PAGERS = ["one", "gone", "two"]


@pytest.fixture
def hold(tmp_path: Path, held: str) -> Path:
    """The file that names the addresses at which messages are held up."""
    (tmp_path / "pages").touch()
    file = tmp_path / "hold"
    file.write_text(held)
    return file


def release(hold: Path) -> None:
    hold.unlink()


@pytest.fixture
async def harness(database_url: str, temporal: TemporalServer) -> AsyncIterator[Harness]:
    async with open_harness(database_url, temporal, is_working=False) as opened:
        yield opened


@pytest.mark.prove
@pytest.mark.takes_long
@pytest.mark.parametrize(("held", "had"), [("gone two", ["one"]), ("one gone two", [])][: rounds(1, 2)])
async def test_a_message_of_a_worker_that_was_killed_reaches_every_address(
    harness: Harness, tmp_path: Path, hold: Path, had: list[str]
) -> None:
    """The provider knows it by its id, so that it goes to all of them again, also to those that had it."""

    def pages() -> list[dict[str, str]]:
        return [json.loads(line) for line in (tmp_path / "pages").read_text().splitlines()]

    who = {"userId": "asked"}
    known = {"pagers": PAGERS, "consent": {"pager": True}, "alarms": 1}
    async with api(harness.settings) as http:
        await choose_recorder(http, tmp_path / "pages", hold)
        body = {"file": "paged.yaml", "source": CAMPAIGN, "templates": {"page.liquid": PAGE}}
        await answer(await http.post("/v1/campaigns", json=body, headers=ADMIN))
        await answer(await http.post("/v1/campaigns/paged/start", headers=ADMIN))
        async with worker(harness.settings) as dies:
            await answer(await http.post("/v1/identify", json={**who, "traits": known}, auth=(WRITE_KEY, "")))
            await answer(await http.post("/v1/track", json={**who, "event": "Alarm Raised"}, auth=(WRITE_KEY, "")))
            await harness.messages.until(state="sending")
            async for is_last in looks(PATIENCE):
                if [page["to"] for page in pages()] == had:
                    break
                assert not is_last
            dies.kill()
        assert [page["to"] for page in pages()] == had
        assert await harness.query("SELECT 1 FROM deliveries") == []
        release(hold)
        async with worker(harness.settings):
            await harness.messages.until(state="sent", attempts=2)
    assert sorted(page["to"] for page in pages()) == sorted([*had, *PAGERS])
    assert len({page["id"] for page in pages()}) == 1
    settled = await harness.query("SELECT address, state FROM deliveries ORDER BY address")
    assert [tuple(row.values()) for row in settled] == [("gone", "failed"), ("one", "sent"), ("two", "sent")]
