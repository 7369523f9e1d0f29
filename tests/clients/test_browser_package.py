"""browser/: its rules hold, and the committed scripts are what it builds."""

from pathlib import Path

import pytest

from api.page_scripts import FOLDER
from api.script_builds import NAMES
from tests.clients.node_tools import run_node


@pytest.mark.takes_long
def test_the_committed_scripts_are_what_the_sources_build(tmp_path: Path) -> None:
    run_node("build.mjs", str(tmp_path))
    for name in NAMES:
        assert (tmp_path / f"{name}.js").read_bytes() == (FOLDER / f"{name}.js").read_bytes(), (
            f"{name}.js is old: make browser"
        )


@pytest.mark.takes_long
def test_the_types_and_the_rules_hold() -> None:
    run_node("node_modules/typescript/bin/tsc", "--project", ".")
    run_node("node_modules/vitest/vitest.mjs", "run")
