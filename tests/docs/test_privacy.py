"""docs/privacy.md is true: its table is the code's, and its commands get their answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from store.personal_data import PERSONAL_TABLES
from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import open_live
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows

PAGE = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text()
KNOWN = {"URL": "http://sojourn.test", "KEY": ADMIN_KEY, "WRITE_KEY": WRITE_KEY}


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        open_live(database_url) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://sojourn.test") as client,
    ):
        yield client


async def test_the_commands_are_answered_as_they_say(client: httpx.AsyncClient) -> None:
    lines = curl_lines(PAGE)
    assert len(lines) == 5
    for text in lines:
        line = read_curl(text, KNOWN)
        answer = await client.send(line.request)
        assert answer.status_code == line.status, (text, answer.text)


def test_the_table_is_that_of_the_code() -> None:
    fates = {"delete": "deletes rows", "with_profile": "deletes rows at its end", "rewrite": "rewrites"}
    assert rows(PAGE, "## Where personal data is") == [
        (f"`{table.name}`", fates[table.fate], " ".join(f"`{column}`" for column in table.exported) or "nothing")
        for table in PERSONAL_TABLES
    ]
