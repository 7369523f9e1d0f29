"""The numbers that many viewers look at: a look that finds nothing new costs the database nothing."""

import time

import pytest

from application import snapshots
from tests.api.fakes import ADMIN_KEY
from tests.api.live import DOCUMENT, client_of, open_live
from tests.engine.ingesting import statements


@pytest.mark.parametrize("path", ["/v1/campaigns/hello/graph", "/v1/campaign-numbers?days=14"])
async def test_a_look_that_finds_nothing_new_asks_the_database_nothing(
    database_url: str, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Neither for the numbers, nor for the audit log.

    A key of the settings is known; others are looked up each second.
    """
    async with open_live(database_url) as app, client_of(app, ADMIN_KEY) as viewer:
        assert (await viewer.post("/v1/campaigns", json=DOCUMENT)).is_success
        # Snapshots are kept for two seconds, which do not pass.
        now = time.monotonic()
        monkeypatch.setattr(snapshots, "monotonic", lambda: now)
        first = await viewer.get(path)
        with statements(monkeypatch) as sent:
            looks = [await viewer.get(path, headers={"If-None-Match": first.headers["ETag"]}) for _ in range(10)]
    assert {one.status_code for one in looks} == {304}
    assert sent == []
