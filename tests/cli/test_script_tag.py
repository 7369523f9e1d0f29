"""`sojourn script-tag` prints what a web page needs."""

import pytest

from cli.main import run
from tests.cli.conftest import Output


@pytest.mark.usefixtures("deployment")
def test_the_command_prints_the_tag(capsys: Output) -> None:
    assert run(["script-tag"]) == 0
    output = capsys.readouterr()
    assert output.out.startswith('<script src="')
    assert 'data-key="WRITE_KEY"' in output.out
    assert "script-src 'sha384-" in output.err
