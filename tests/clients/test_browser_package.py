"""browser/: its rules hold, and the committed scripts are what it builds, within their size."""

import os
import shutil
import subprocess
from base64 import b64encode
from hashlib import sha384
from pathlib import Path

import pytest

from api.app import create_app
from api.page_scripts import SCRIPTS
from tests.api.fakes import SETTINGS
from tests.api.live import client_of

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "browser"
# As they are sent. The first is for every page, the second for those with a message to show.
MAX_COMPRESSED = 10_000


def node(*arguments: str) -> str:
    """Run a tool of the package."""
    if shutil.which("node") is None or not (PACKAGE / "node_modules").exists():
        if "CI" in os.environ:
            pytest.fail("the tests of browser/ need Node.js and its packages: make test")
        pytest.skip("no Node.js, or no packages: make browser")
    done = subprocess.run(["node", *arguments], cwd=PACKAGE, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.takes_long
def test_the_committed_scripts_are_what_the_sources_build(tmp_path: Path) -> None:
    node("build.mjs", str(tmp_path))
    for script in SCRIPTS:
        assert (tmp_path / script.name).read_bytes() == script.read_bytes(), f"{script.name} is old: make browser"


@pytest.mark.takes_long
def test_the_types_and_the_rules_hold() -> None:
    node("node_modules/typescript/bin/tsc", "--project", ".")
    node("node_modules/vitest/vitest.mjs", "run")


async def test_the_api_serves_them_with_their_hashes() -> None:
    async with client_of(create_app(SETTINGS), "") as http:
        told = (await http.get("/v1/scripts")).json()
        for script, file in zip(told["scripts"], SCRIPTS, strict=True):
            assert script["url"] == f"{SETTINGS.public_url.rstrip('/')}/{file.name}"
            answer = await http.get(f"/{file.name}")
            assert answer.content == file.read_bytes()
            assert answer.headers["content-encoding"] == "gzip"
            assert answer.headers["access-control-allow-origin"] == "*"
            assert script["integrity"] == f"sha384-{b64encode(sha384(answer.content).digest()).decode()}"
            assert script["integrity"] in told["policy"]
            plain = await http.get(f"/{file.name}", headers={"Accept-Encoding": "identity"})
            assert plain.content == answer.content
            assert script["compressed_bytes"] <= MAX_COMPRESSED
    # The first names the second by its hash, so that nobody else's is loaded.
    assert told["scripts"][1]["integrity"].encode() in SCRIPTS[0].read_bytes()
    assert told["scripts"][0]["integrity"] in told["tag"]
