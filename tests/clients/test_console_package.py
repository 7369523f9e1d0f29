"""console/: its types and rules hold, and the committed files are what it builds."""

from pathlib import Path

import pytest

from api.console import FOLDER
from tests.clients import console_document
from tests.clients.node_tools import CONSOLE, run_node


def read_files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.takes_long
def test_the_committed_files_are_what_the_sources_build(tmp_path: Path) -> None:
    run_node("node_modules/vite/bin/vite.js", "build", "--outDir", str(tmp_path), "--logLevel", "error", folder=CONSOLE)
    assert read_files(tmp_path) == read_files(FOLDER), "console/dist is old: make console"


@pytest.mark.takes_long
def test_it_is_typed_by_the_routes_of_the_api() -> None:
    """A member that is renamed in the API fails the check of its types."""
    assert console_document.FILE.read_text() == console_document.describe(), "console/openapi.json is old: make console"
    run_node("node_modules/openapi-typescript/bin/cli.js", *_options(), folder=CONSOLE)
    run_node("node_modules/typescript/bin/tsc", folder=CONSOLE)
    run_node("node_modules/vitest/vitest.mjs", "run", folder=CONSOLE)


def _options() -> list[str]:
    return ["openapi.json", "--output", "src/api/schema.d.ts", "--default-non-nullable=false"]
