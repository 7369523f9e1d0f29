"""Segments, as the commands list, show, plan, apply, export and delete them."""

import json
import re
from pathlib import Path

import httpx
import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.harness import WRITE_KEY

BUYERS = "key: buyers\nname: Buyers\nwhere: profile.computed.orders >= 1\n"
LOYAL = "key: a-loyal\nname: Loyal\nwhere: '\"buyers\" in profile.segments && profile.computed.orders > 4'\n"


@pytest.fixture
def segments(folder: Path, deployment: str) -> Path:
    """A folder of two segments, whose computed trait is applied."""
    computed = folder / "computed.yaml"
    computed.write_text("computed:\n  orders: {count: Order Completed}\n")
    assert run(["computed", "apply", str(computed)]) == 0
    made = folder / "segments"
    made.mkdir()
    (made / "a-loyal.yaml").write_text(LOYAL)
    (made / "buyers.yaml").write_text(BUYERS)
    return made


def order(url: str, user: str) -> None:
    call = {"userId": user, "event": "Order Completed"}
    assert httpx.post(f"{url}/v1/track", json=call, auth=(WRITE_KEY, ""), trust_env=False).is_success


def test_a_folder_is_applied_and_its_segments_are_shown(segments: Path, deployment: str, capsys: Output) -> None:
    capsys.readouterr()
    assert run(["segments", "apply", str(segments)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "buyers: version 1 applied, ready",
        "a-loyal: version 1 applied, ready",
    ]
    assert run(["segments", "apply", str(segments / "buyers.yaml")]) == 0
    assert capsys.readouterr().out == "buyers: version 1 unchanged, ready\n"
    order(deployment, "ada")
    assert run(["segments", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[1:] == [
        ["a-loyal", "Loyal", "1", "0", "ready", "silent"],
        ["buyers", "Buyers", "1", "1", "ready", "silent"],
    ]
    assert run(["segments", "show", "buyers"]) == 0
    assert capsys.readouterr().out == f"# version 1, 1 member, ready\n{BUYERS}"
    assert run(["users", "show", "ada"]) == 0
    assert re.search(r"^buyers +Buyers +\d{4}-", capsys.readouterr().out, re.MULTILINE)
    assert run(["users", "find", "--segment", "buyers", "--json"]) == 0
    assert [each["user_id"] for each in json.loads(capsys.readouterr().out)["users"]] == ["ada"]


def test_a_plan_shows_conditions_readers_and_people(segments: Path, deployment: str, capsys: Output) -> None:
    assert run(["segments", "apply", str(segments)]) == 0
    order(deployment, "ada")
    (segments / "buyers.yaml").write_text(BUYERS.replace(">= 1", ">= 2"))
    capsys.readouterr()
    assert run(["segments", "plan", str(segments)]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "  ~ buyers: changed, version 2",
        "      where: profile.computed.orders >= 1 -> profile.computed.orders >= 2",
        "      0 of 1 people are members; 0 of 1 people join; 1 of 1 people leave",
        "      read by segment a-loyal, version 1",
        "  = a-loyal: unchanged, version 1",
    ]
    assert shown.err.startswith("warning: ")
    assert "of the 1 people looked at, none is in it" in shown.err
    assert run(["segments", "apply", str(segments)]) == 0
    applied = capsys.readouterr().out.splitlines()
    assert applied[0] == "buyers: version 2 applied, building"
    assert applied[-1].startswith("deployment: judge ")


def test_all_problems_of_all_files_are_told(segments: Path, capsys: Output) -> None:
    (segments / "buyers.yaml").write_text(BUYERS.replace("orders", "order"))
    (segments / "c.yaml").write_text("key: C\nname: C\nwhere: 1 +\n")
    capsys.readouterr()
    assert run(["segments", "apply", str(segments)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.split(" ")[0] for line in errors] == [
        f"{segments / 'c.yaml'}:1:",
        f"{segments / 'c.yaml'}:3:",
        f"{segments / 'buyers.yaml'}:3:",
    ]
    assert "there is no computed trait `order`" in errors[2]


def test_members_are_listed_and_exported(segments: Path, deployment: str, folder: Path, capsys: Output) -> None:
    assert run(["segments", "apply", str(segments)]) == 0
    for user in ("ada", "bob"):
        order(deployment, user)
    capsys.readouterr()
    assert run(["segments", "members", "buyers", "--limit", "1"]) == 0
    listed = capsys.readouterr()
    assert listed.out.splitlines()[1].split()[0] == "ada"
    after = re.search(r"--after (\S+)", listed.err)
    assert after is not None
    assert run(["segments", "members", "buyers", "--after", after[1]]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "bob"
    file = folder / "buyers.csv"
    assert run(["segments", "export", "buyers", str(file)]) == 0
    assert capsys.readouterr().out == f"{file}: 2 members\n"
    head, *rows = file.read_text().splitlines()
    assert (head, [row.split(",")[1] for row in rows]) == ("id,user_id,anonymous_id,since", ["ada", "bob"])
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(["segments", "export", "none", str(folder / "none.csv")]) == 1
    assert not (folder / "none.csv").exists()


def test_a_segment_that_is_read_is_not_deleted(segments: Path, capsys: Output) -> None:
    assert run(["segments", "apply", str(segments)]) == 0
    capsys.readouterr()
    assert run(["segments", "delete", "buyers"]) == 1
    assert "`buyers` is read by segment a-loyal (version 1): first" in capsys.readouterr().err
    for key in ("a-loyal", "buyers"):
        assert run(["segments", "delete", key]) == 0
    assert capsys.readouterr().out == "a-loyal: deleted\nbuyers: deleted\n"


def test_a_segment_is_validated_and_is_not_a_campaign(segments: Path, capsys: Output) -> None:
    capsys.readouterr()
    assert run(["validate", str(segments)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{segments / 'a-loyal.yaml'}: segment a-loyal",
        f"{segments / 'buyers.yaml'}: segment buyers",
    ]
    (segments / "c.yaml").write_text(BUYERS)
    assert run(["validate", str(segments)]) == 1
    assert f"`buyers` is the key of {segments / 'buyers.yaml'} as well" in capsys.readouterr().err
    file = segments / "d.yaml"
    file.write_text("name: Buyers\nwhere: 'true'\n")
    assert run(["plan", str(file)]) == 1
    assert f"is a segment, not a campaign. Apply it by `sojourn segments apply {file}`" in capsys.readouterr().err
