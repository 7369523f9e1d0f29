"""The API is what its OpenAPI document says: schemathesis asks every route, by all of its checks."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests.api.fakes import ADMIN_KEY, WRITE_KEY
from tests.api.live import ApiProcess, api_process
from tests.proofs import rounds

CONFIG = Path(__file__).with_name("schemathesis.toml")
HOOKS = Path(__file__).with_name("schemathesis_hooks.py")
EXAMPLES = str(rounds(1, 10))
# One of so many operations is asked for the bounds of each of its values, some fifty questions each. All are asked for
# their examples, and for values at random.
STRIDE = rounds(4, 1)


@pytest.mark.prove
@pytest.mark.takes_long
async def test_the_api_is_what_its_document_says(database_url: str, tmp_path: Path) -> None:
    # Its document says nothing of what an address may report in a second.
    async with api_process(database_url, rate_limit_address=0) as api:
        operations, browser_key = await _prepared(api)
        config = tmp_path / CONFIG.name
        config.write_text(CONFIG.read_text() + _without_bounds(operations))
        status, output = await _asked(api.url, config, browser_key)
    assert status == 0, output
    assert re.search(rf"Tested: {len(operations)}\b", output), output


async def _prepared(api: ApiProcess) -> tuple[list[str], str]:
    """The operations, by method and path, and a browser key. The things that their examples name are there."""
    async with api.client(ADMIN_KEY) as admin:
        document = (await admin.get("/openapi.json")).json()
        publish = document["components"]["schemas"]["PublishRequest"]["example"]
        assert (await admin.post("/v1/campaigns", json=publish)).status_code == 201
        assert (await admin.post("/v1/campaigns/abandoned-cart/start")).status_code == 200
        template = document["components"]["schemas"]["NewMessageTemplate"]["example"]
        assert (await admin.put("/v1/templates/email/password-reset", json=template)).status_code == 200
        browser = {"name": "pages", "kind": "browser", "origins": ["https://shop.example"]}
        browser_key: str = (await admin.post("/v1/keys", json=browser)).json()["token"]
    async with api.client(WRITE_KEY) as tracker:
        assert (await tracker.post("/v1/identify", json={"userId": "u-4711"})).status_code == 200
    asked = [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]
    return asked, browser_key


def _without_bounds(operations: list[str]) -> str:
    """A part of the configuration: which operations the coverage of their bounds leaves out."""
    left_out = [operation for number, operation in enumerate(operations) if number % STRIDE]
    return f"\n[[operations]]\ninclude-name = {json.dumps(left_out)}\nphases.coverage.enabled = false\n"


async def _asked(url: str, config: Path, browser_key: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(config)),
        *("run", f"{url}/openapi.json", "--checks", "all", "--max-examples", EXAMPLES, "--warnings", "off"),
        env={
            **os.environ,
            "SOJOURN_ADMIN_KEY": ADMIN_KEY,
            "SOJOURN_WRITE_KEY": WRITE_KEY,
            "SOJOURN_BROWSER_KEY": browser_key,
            "SCHEMATHESIS_HOOKS": str(HOOKS),
            "COLUMNS": "120",
        },
        # It keeps what failed for its next run, which is to be no other than this one.
        cwd=config.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()
