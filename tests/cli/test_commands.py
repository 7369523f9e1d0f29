"""Campaign files, the life of campaigns, caps and timelines, as the commands show them."""

import json
import re
from pathlib import Path

import httpx
import pytest

from cli.main import run
from domain.document_schemas import FILE_NAMES, document_schema
from tests.cli.conftest import CAMPAIGN, Output, a_campaign
from tests.harness import MAIL, WRITE_KEY

MAILING = """\
key: mailing
name: Mailing
entry: {event: Cart Abandoned}
steps:
  - {id: nudge, send: {channel: email, template: nudge, expires: 1h}}
"""


def track(url: str, user: str, event: str = "Cart Abandoned") -> None:
    answer = httpx.post(f"{url}/v1/track", json={"userId": user, "event": event}, auth=(WRITE_KEY, ""), trust_env=False)
    answer.raise_for_status()


@pytest.mark.usefixtures("deployment")
def test_apply_publishes_with_the_templates_beside(folder: Path, capsys: Output) -> None:
    file = a_campaign(folder, "mailing", MAILING)
    assert run(["apply", str(file)]) == 1
    assert "there is no template `nudge.liquid`" in capsys.readouterr().err
    (folder / "templates").mkdir()
    (folder / "templates" / "nudge.liquid").write_text(MAIL.replace("A note", "Grüße"), encoding="utf-8")
    (folder / "templates" / "notes.txt").write_text("not sent")
    assert run(["apply", str(file)]) == 0
    assert capsys.readouterr().out == "mailing: version 1 published, draft; `sojourn start mailing` lets users in\n"
    assert run(["apply", str(file)]) == 0
    assert capsys.readouterr().out == "mailing: version 1 unchanged, draft; `sojourn start mailing` lets users in\n"


@pytest.mark.usefixtures("deployment")
def test_apply_prints_every_problem_and_publishes_nothing(folder: Path, capsys: Output) -> None:
    bad = a_campaign(folder, "bad", "key: bad\nname: Bad\nentry: {evnt: A}\nsteps:\n  - {id: a, delay: 30}\n")
    good = a_campaign(folder, "good")
    assert run(["apply", str(bad), str(good)]) == 1
    output = capsys.readouterr()
    unknown, *_, number, nothing = output.err.splitlines()
    assert unknown.startswith(f"{bad}:3: entry.evnt: the key `evnt` is not known here. Did you mean `event`?")
    assert number.startswith(f"{bad}:5: steps[0].delay: ")
    assert nothing == "sojourn: nothing was published: all files are, or none"
    assert output.out == ""
    assert run(["campaigns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"campaigns": [], "next": None}


@pytest.mark.usefixtures("deployment")
def test_apply_takes_folders(folder: Path, capsys: Output) -> None:
    campaigns = folder / "campaigns"
    (campaigns / "caps").mkdir(parents=True)
    (campaigns / "caps" / "rules.yaml").write_text("no campaign")
    (campaigns / ".hidden.yaml").write_text("no campaign")
    (campaigns / "notes.txt").write_text("no campaign")
    a_campaign(campaigns, "one")
    a_campaign(campaigns, "two").rename(campaigns / "two.yml")
    assert run(["apply", str(campaigns), str(a_campaign(folder, "three"))]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{key}: version 1 published, draft; `sojourn start {key}` lets users in" for key in ("one", "two", "three")
    ]
    (folder / "empty").mkdir()
    assert run(["apply", str(folder / "empty")]) == 1
    assert capsys.readouterr().err == f"sojourn: {folder / 'empty'} holds no .yaml file\n"


@pytest.mark.usefixtures("deployment")
def test_plan_takes_folders_and_publishes_nothing(folder: Path, capsys: Output) -> None:
    campaigns = folder / "campaigns"
    campaigns.mkdir()
    one = a_campaign(campaigns, "one")
    assert run(["plan", str(campaigns), "--json"]) == 0
    [alone] = json.loads(capsys.readouterr().out)["plans"]
    assert run(["plan", str(one), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == alone
    a_campaign(campaigns, "two")
    assert run(["plan", str(campaigns), "--exit-code"]) == 4
    told = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines() if ": version 1 is new" in line]
    assert told == ["one", "two"]
    bad = a_campaign(campaigns, "bad", "key: bad\nname: Bad\nentry: {evnt: A}\nsteps: []\n")
    assert run(["plan", str(campaigns)]) == 1
    output = capsys.readouterr()
    assert f"{bad}:3: entry.evnt: " in output.err
    assert output.out == ""
    assert run(["campaigns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"campaigns": [], "next": None}


@pytest.mark.parametrize("command", [["start"], ["stop"], ["campaigns"], ["funnel"], ["journeys", "--campaign"]])
def test_a_folder_is_no_campaign(tmp_path: Path, capsys: Output, command: list[str]) -> None:
    remedy = "name a campaign by its key or by its .yaml file"
    for named, what in [(f"{tmp_path}", "a folder"), ("../nothing", "neither a campaign's key nor its .yaml file")]:
        assert run([*command, named]) == 1
        assert capsys.readouterr().err == f"sojourn: {named} is {what}: {remedy}\n"


@pytest.mark.usefixtures("deployment")
def test_apply_of_two_files_with_one_key(folder: Path, capsys: Output) -> None:
    first = a_campaign(folder, "one")
    second = folder / "copy.yaml"
    second.write_text(first.read_text())
    assert run(["apply", str(first), str(second)]) == 1
    assert capsys.readouterr().err == (
        f"{second}:1: key: `one` is the key of {first} as well. Give each campaign a key of its own\n"
    )
    assert run(["campaigns", "one"]) == 1


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["journeys", "--campaign", "nope"], "there is no campaign nope"),
        (["journeys", "--campaign", "abandoned-cart", "--version", "9"], "campaign abandoned-cart has no version 9"),
        (["journeys", "--campaign", "abandoned-cart", "--step", "nope"], "campaign abandoned-cart has no step nope"),
        (["journeys", "--user", "nope"], "nothing was ever reported of user nope"),
        (["journeys", "exit", "--campaign", "abandoned-cart", "--step", "nope"], "has no step nope"),
        (["journeys", "skip", "--campaign", "nope"], "there is no campaign nope"),
        (["operations", "--campaign", "nope"], "there is no campaign nope"),
        (["funnel", "nope"], "there is no campaign nope"),
        (["funnel", "abandoned-cart", "--version", "9"], "no version 9"),
        (["campaigns", "nope"], "there is no campaign nope"),
        (["start", "nope"], "there is no campaign nope"),
        (["explain", "nope"], "nothing was ever reported of user nope"),
    ],
)
def test_an_unknown_name_is_an_error(capsys: Output, arguments: list[str], told: str) -> None:
    assert run(arguments) == 1
    output = capsys.readouterr()
    assert told in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["campaigns"],
        ["funnel"],
        ["journeys", "--campaign"],
        ["operations", "--campaign"],
        ["pause"],
        ["resume"],
        ["stop"],
        ["archive"],
    ],
)
def test_a_campaign_is_named_by_its_key_or_its_file(running: Path, capsys: Output, arguments: list[str]) -> None:
    for name in (running.name, "abandoned-cart"):
        run([*arguments, name])
        shown = capsys.readouterr()
        assert "there is no campaign" not in shown.err
        assert f"no campaign {running.name}" not in shown.out


def test_the_deployment_is_named_before_or_behind_the_command(
    running: Path, deployment: str, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOJOURN_API_URL")
    key = running.stem
    for arguments in (
        ["--url", deployment, "campaigns", key],
        ["campaigns", key, "--url", deployment],
        ["campaigns", f"--url={deployment}", key, "--json"],
        ["journeys", "--url", deployment, "--campaign", key, "--json"],
    ):
        assert run(arguments) == 0, arguments
    capsys.readouterr()
    # Behind `--` it is the name of a campaign.
    assert run(["campaigns", "--url", deployment, "--", "--url"]) == 1
    assert "there is no campaign --url" in capsys.readouterr().err


def test_a_schema_is_printed_without_a_deployment(folder: Path, capsys: Output) -> None:
    assert run(["schema", "campaign"]) == 0
    assert json.loads(capsys.readouterr().out) == document_schema("campaign")
    assert run(["schema", "template"]) == 1
    assert capsys.readouterr().err == f"sojourn: there is no schema template; there are {', '.join(FILE_NAMES)}\n"


@pytest.mark.usefixtures("deployment")
def test_apply_of_a_file_that_is_no_text(folder: Path, capsys: Output) -> None:
    file = folder / "a.yaml"
    file.write_bytes(b"\xff\xfe")
    assert run(["apply", str(file)]) == 1
    assert capsys.readouterr().err == f"sojourn: {file} is not UTF-8; save it as UTF-8\n"


@pytest.mark.usefixtures("deployment")
def test_apply_of_a_file_that_is_not_there(capsys: Output) -> None:
    assert run(["apply", "a.yaml"]) == 2
    assert "'a.yaml' does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("by_file", [True, False])
def test_the_life_of_a_campaign(running: Path, capsys: Output, by_file: bool) -> None:
    campaign = str(running) if by_file else "abandoned-cart"
    for arguments, told in (
        (["pause"], "paused, version 1"),
        (["resume"], "running, version 1"),
        (["stop"], "stopping, version 1"),
        (["start"], "running, version 1"),
        (["stop", "--exit"], "stopping, version 1"),
    ):
        assert run([*arguments, campaign]) == 0
        assert capsys.readouterr().out == f"abandoned-cart: {told}\n"


@pytest.mark.usefixtures("running")
def test_what_is_changed_for_scripts(capsys: Output) -> None:
    assert run(["pause", "abandoned-cart", "--json"]) == 0
    [campaign] = json.loads(capsys.readouterr().out)["campaigns"]
    assert (campaign["key"], campaign["state"]) == ("abandoned-cart", "paused")


@pytest.mark.usefixtures("running")
def test_a_campaign_that_refuses_holds_up_no_other(folder: Path, capsys: Output) -> None:
    assert run(["apply", str(a_campaign(folder, "draft"))]) == 0
    capsys.readouterr()
    assert run(["pause", "draft", "none", "abandoned-cart"]) == 1
    output = capsys.readouterr()
    assert output.out == "abandoned-cart: paused, version 1\n"
    draft, none = output.err.splitlines()
    assert draft.startswith("sojourn: campaign draft is draft and cannot pause")
    assert none == "sojourn: there is no campaign none; publish it first"


@pytest.mark.usefixtures("deployment")
def test_archive(folder: Path, capsys: Output) -> None:
    file = str(a_campaign(folder))
    assert run(["apply", file]) == 0
    assert run(["archive", file]) == 0
    assert capsys.readouterr().out.endswith("abandoned-cart: archived\n")


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["stop", "none"], 1, "sojourn: there is no campaign none"),
        (["start", "abandoned-cart", "--version", "9"], 1, "sojourn: campaign abandoned-cart has no version 9"),
        (["stop", "a/../b"], 1, "sojourn: "),
        (["pause", "missing.yaml"], 1, "missing.yaml cannot be read"),
    ],
)
def test_what_is_refused(running: Path, capsys: Output, arguments: list[str], status: int, told: str) -> None:
    assert run(arguments) == status
    assert told in capsys.readouterr().err


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key: [", ":1: "),
        ("a: b\nc: d: e", ":2: "),
        ("name: x", ":1: key: "),
        ("[]", ":1: "),
        ("key: 3", ":1: key: "),
        ("key: Not a key!", ":1: key: "),
    ],
)
@pytest.mark.parametrize("command", ["start", "apply"])
def test_a_file_without_a_key(folder: Path, capsys: Output, text: str, told: str, command: str) -> None:
    file = a_campaign(folder, text=text)
    assert run([command, str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"{file}{told}")


@pytest.mark.usefixtures("running")
def test_the_list_of_campaigns(capsys: Output) -> None:
    assert run(["campaigns"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["CAMPAIGN", "STATE", "STAGE", "RUNNING", "LATEST", "ACTIVE", "JOURNEYS"]
    assert row.split() == ["abandoned-cart", "running", "-", "1", "1", "0", "0"]
    assert run(["campaigns", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["campaigns"][0]["state"] == "running"


def test_one_campaign_with_its_versions(running: Path, capsys: Output) -> None:
    running.write_text(running.read_text().replace("30m", "45m"))
    assert run(["apply", str(running)]) == 0
    capsys.readouterr()
    assert run(["campaigns", "abandoned-cart"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^State +running$", shown, re.MULTILINE)
    _, latest, first = shown.splitlines()[-3:]
    assert re.match(rf"2 +running +{re.escape(str(running))} +2", latest)
    assert re.match(rf"1 +{re.escape(str(running))} +2", first)
    assert run(["campaigns", "abandoned-cart", "--json"]) == 0
    assert [each["version"] for each in json.loads(capsys.readouterr().out)["versions"]] == [2, 1]
    assert run(["campaigns", "none"]) == 1
    assert capsys.readouterr().err.startswith("sojourn: there is no campaign none")


@pytest.mark.usefixtures("deployment")
def test_caps(folder: Path, capsys: Output) -> None:
    file = folder / "caps.yaml"
    file.write_text("rules:\n  - {name: weekly, limit: 3, per: 7d}\n")
    assert run(["caps", "plan", str(file)]) == 0
    assert capsys.readouterr().out == "frequency caps: version 0, 1 change by the file\n  + weekly\n"
    assert run(["caps", "apply", str(file)]) == 0
    assert run(["caps", "show"]) == 0
    assert capsys.readouterr().out == "frequency caps: version 1, 1 rule\n# version 1\n" + file.read_text()
    assert run(["caps", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rules"][0]["name"] == "weekly"
    file.write_text("rules:\n  - {name: weekly, limit: 4, min_gap: 4h, per: 7d}\n")
    assert run(["caps", "plan", str(file)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "frequency caps: version 1, 1 change by the file",
        "  ~ weekly",
        "      limit: 3 -> 4",
        "      min_gap: (none) -> 4h",
    ]
    assert run(["caps", "plan", str(file), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert (planned["version"], planned["next_version"], planned["changes"][0]["kind"]) == (1, 2, "changed")
    file.write_text("rules:\n  - {name: weekly, limit: -1, per: 7d}\n")
    assert run(["caps", "apply", str(file)]) == 1
    assert capsys.readouterr().err.startswith(f"{file}:2: rules[0].limit: ")


def test_explain(running: Path, deployment: str, capsys: Output) -> None:
    track(deployment, "a/b", "Cart Abandoned")
    track(deployment, "a/b", "\x1b[31mRed [bold]")
    assert run(["explain", "a/b"]) == 0
    header, event, entry, strange, link, now = capsys.readouterr().out.splitlines()
    assert header.split() == ["TIME", "(UTC)", "CAMPAIGN", "LINK", "WHAT"]
    assert "event: Cart Abandoned" in event
    assert "entry: entered abandoned-cart" in entry
    assert "[1]" in entry
    assert "event: �[31mRed [bold]" in strange
    assert link.startswith("[1] http://localhost:8233/namespaces/default/workflows/abandoned-cart")
    assert re.fullmatch(r"now: waits at cool-off until (\S+ )?\d\d:\d\d \(UTC\), in abandoned-cart", now)
    assert run(["explain", "a/b", "--limit", "1"]) == 0
    before = capsys.readouterr().err.removeprefix("There are earlier ones: --before ").strip()
    assert run(["explain", "a/b", "--before", before]) == 0
    earlier = capsys.readouterr().out
    assert "Red" not in earlier
    assert "now:" not in earlier


@pytest.mark.usefixtures("deployment")
def test_explain_for_scripts_and_for_nobody(deployment: str, capsys: Output) -> None:
    track(deployment, "u")
    assert run(["explain", "u", "--json"]) == 0
    timeline = json.loads(capsys.readouterr().out)
    assert [item["kind"] for item in timeline["items"]] == ["event"]
    assert timeline["now"] == []
    assert run(["explain", "u"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "now: in no campaign"
    assert run(["explain", "nobody"]) == 1
    assert capsys.readouterr().err == "sojourn: nothing was ever reported of user nobody\n"


@pytest.mark.usefixtures("deployment")
def test_warnings_are_printed_with_the_version_that_they_are_about(folder: Path, capsys: Output) -> None:
    file = folder / "cart.yaml"
    waits = "  - {id: bought, wait_for: {event: Order Completed, timeout: 1d}}\n"
    file.write_text(CAMPAIGN.format(key="cart") + waits + "exit: [{event: Order Completed}]\n")
    assert run(["apply", str(file)]) == 0
    printed = capsys.readouterr()
    assert "version 1 published" in printed.out
    assert printed.err.startswith(f"warning: {file}:6: ")
    assert run(["apply", str(file)]) == 0
    printed = capsys.readouterr()
    assert "version 1 unchanged" in printed.out
    assert printed.err == ""
