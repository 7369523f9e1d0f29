"""What is used wrongly ends with status 2 and says what would be right, before anything is asked of a deployment."""

from pathlib import Path

import pytest

from cli.main import run
from tests.cli.conftest import Output, a_campaign

ID = "00000000-0000-0000-0000-000000000000"
KEY = ["keys", "create", "--name", "a"]


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["start"], "Missing argument"),
        (["start", "cart", "--in-flight", "burn"], "'burn' is not one of"),
        (["start", "a", "b", "--version", "1"], "a version belongs to one campaign"),
        (["apply", "a.yaml", "b.yaml", "--plan", "h"], "a plan is of one file"),
        (["apply", "none.yaml"], "'none.yaml' does not exist"),
        (["operations", ID, "--campaign", "a"], "name an operation by its id, or a campaign"),
        (["operations", "--campaign", "a", "--watch"], "are for one operation"),
        (["operations", "--cancel"], "are for one operation"),
        (["operations", "no-id"], "should be a valid UUID"),
        (["journeys", "show", "no-id"], "should be a valid UUID"),
        (["journeys", "--entered-after", "yesterday"], "`yesterday` is not an instant"),
        (["hold", "--user", "u", "--until", "2d", "--reason", "x"], "`2d` is not an instant: write a day"),
        (["journeys", "--campaign", "c", "show", "00000000-0000-0000-0000-000000000000"], "`show` does not take"),
        (["journeys", "--state", "active", "exit", "--campaign", "c"], "`exit` does not take the options"),
        (["journeys", "--limit", "5", "exit", "--campaign", "c"], "`exit` does not take the options"),
        (["campaigns", "--url"], "Option '--url' requires an argument"),
        (["journeys", "exit"], "name journeys by their ids, or choose"),
        (["journeys", "exit", "00000000-0000-0000-0000-000000000000", "--campaign", "c"], "name journeys by their ids"),
        (["journeys", "skip", "--step", "s"], "--campaign is missing"),
        (["reconcile", "no-id"], "should be a valid UUID"),
        (KEY, "Missing option '--scope'"),
        ([*KEY, "--scope", "root"], "'root' is not one of"),
        ([*KEY, "--scope", "read", "--expires", "soon"], "write 12h or 90d"),
        ([*KEY, "--scope", "read", "--expires", "0d"], "write 12h or 90d"),
        (["--context", "a", "--url", "b", "campaigns"], "both name a deployment"),
        (["campaigns", "--context", "a", "--url=b"], "both name a deployment"),
    ],
)
def test_what_is_used_wrongly(folder: Path, capsys: Output, arguments: list[str], told: str) -> None:
    a_campaign(folder, "a")
    a_campaign(folder, "b")
    assert run(arguments) == 2
    assert told in " ".join(capsys.readouterr().err.replace("│", " ").split())
