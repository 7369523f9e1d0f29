"""`sojourn test`: scenario files beside campaigns, run without a server."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cli.main import run
from tests.cli.conftest import Output
from tests.domain.campaign.documents import EMAIL
from tests.domain.campaign.test_examples import EXAMPLES, SCENARIOS

CAMPAIGN = """\
key: welcome
name: Welcome
entry: {event: Signed Up}
send_window: {from: "09:00", to: "20:00"}
steps:
  - {id: rest, delay: 1d}
  - {id: hello, send: {channel: email, template: hello}}
"""
SCENARIO = """\
at: Mon 15:00
given: {traits: {email: ada@example.com, timezone: Asia/Tokyo}}
scenarios:
  - name: a mail on the next day
    when: [{event: Signed Up}]
    then:
      - {sent: hello, channel: email, at: Tue 15:00}
      - {ends: completed}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "hello.liquid").write_text(EMAIL)
    (tmp_path / "welcome.yaml").write_text(CAMPAIGN)
    (tmp_path / "welcome.test.yaml").write_text(SCENARIO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("given", ["welcome.yaml", "welcome.test.yaml", "."])
@pytest.mark.usefixtures("folder")
def test_a_campaign_is_tested_by_the_file_beside_it(given: str, capsys: Output) -> None:
    assert run(["test", given]) == 0
    out = capsys.readouterr().out
    assert out.startswith("welcome.test.yaml: campaign welcome\n  ok  a mail on the next day\n1 scenario, ")


def test_a_changed_campaign_fails_with_the_line(folder: Path, capsys: Output) -> None:
    (folder / "welcome.yaml").write_text(CAMPAIGN.replace("delay: 1d", "delay: 2d"))
    assert run(["test", "welcome.yaml", "--junit", "results.xml"]) == 1
    said = (
        "welcome.test.yaml:7: expected {sent: hello, channel: email, at: Tue 15:00}, and "
        "{sent: hello, channel: email, at: Wed 15:00:00} came"
    )
    out = capsys.readouterr().out
    assert f"  failed  a mail on the next day\n    {said}\n1 scenario, 1 failed, " in out
    [suite] = ElementTree.parse(folder / "results.xml").getroot()  # noqa: S314 -- our own file
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("welcome.test.yaml", "1", "1")
    [case] = suite
    assert (case.get("classname"), case.get("name"), case.get("line")) == ("welcome", "a mail on the next day", "4")
    assert case[0].text == said


def test_each_fault_of_a_file_has_its_line_and_remedy(folder: Path, capsys: Output) -> None:
    (folder / "welcome.test.yaml").write_text(
        SCENARIO.replace("when: [{event: Signed Up}]", "when: [{event: Signed Up, page: Home}]")
        .replace("at: Tue 15:00", "at: tomorrow")
        .replace("ends: completed", "ends: completed, because: none")
    )
    assert run(["test", "welcome.yaml"]) == 1
    err = capsys.readouterr().err
    assert "welcome.test.yaml:7: scenarios[0].then[0].at: `tomorrow` is not a local time. Write `" in err
    (folder / "welcome.test.yaml").write_text(
        SCENARIO.replace("when: [{event: Signed Up}]", "when: [{event: Signed Up, page: Home}]").replace(
            "ends: completed", "ends: completed, because: none"
        )
    )
    assert run(["test", "welcome.yaml"]) == 1
    err = capsys.readouterr().err
    assert (
        "welcome.test.yaml:5: scenarios[0].when[0]: the line says 2 things: `event`, `page`. Write one of `event`"
        in err
    )
    assert "welcome.test.yaml:8: scenarios[0].then[1].because: only a message has a reason. Leave it out\n" in err


def test_a_file_that_is_missing_is_said(folder: Path, capsys: Output) -> None:
    (folder / "welcome.test.yaml").write_text("deployed: [caps.yaml]\n" + SCENARIO)
    assert run(["test", "welcome.yaml"]) == 1
    assert "there is no file caps.yaml" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_scenarios_are_neither_applied_nor_mistaken_for_campaigns(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOJOURN_ADMIN_KEY", "a" * 40)
    assert run(["validate", ".", "--json"]) == 0
    assert [one["file"] for one in json.loads(capsys.readouterr().out)["documents"]] == ["welcome.yaml"]
    assert run(["validate", "welcome.test.yaml"]) == 0
    assert capsys.readouterr().out == "welcome.test.yaml: 1 scenario\n"
    assert run(["apply", "welcome.test.yaml"]) == 1
    assert "run them by `sojourn test welcome.test.yaml`" in capsys.readouterr().err


def test_the_examples_pass(capsys: Output) -> None:
    assert run(["test", str(EXAMPLES), "--json"]) == 0
    tested = json.loads(capsys.readouterr().out)["scenarios"]
    assert {Path(one["file"]) for one in tested} == {*SCENARIOS}
    assert all(one["is_ok"] for one in tested)


def test_a_channel_that_refuses_leads_to_the_next(folder: Path, capsys: Output) -> None:
    choice = "channel: [email, sms], template: both"
    (folder / "welcome.yaml").write_text(CAMPAIGN.replace("channel: email, template: hello", choice))
    (folder / "templates" / "both.email.liquid").write_text(EMAIL)
    (folder / "templates" / "both.sms.liquid").write_text("---\nchannel: sms\n---\nHello")
    (folder / "welcome.test.yaml").write_text(
        SCENARIO.replace(
            "timezone: Asia/Tokyo}}", 'phone: "+4915112345678", timezone: Asia/Tokyo}, consent: {sms: true}}'
        ).replace(
            "channel: email, at: Tue 15:00}\n      - {ends: completed}",
            # In Germany, where the number is from, texts may come from eight on.
            "channel: sms, at: Tue 16:00}\n      - {ends: completed}\n    providers: {email: refused}",
        )
    )
    assert run(["test", "welcome.yaml"]) == 0, capsys.readouterr().out
    (folder / "welcome.test.yaml").write_text(
        (folder / "welcome.test.yaml").read_text().replace("{email: refused}", "{hello: refused}")
    )
    assert run(["test", "welcome.yaml"]) == 1
    assert "and {not_sent: hello, because: failed, at: Tue 16:00:00} came" in capsys.readouterr().out


def test_a_trait_without_a_value_is_unknown(folder: Path, capsys: Output) -> None:
    (folder / "welcome.test.yaml").write_text(
        SCENARIO.replace("    when:", "    given: {traits: {email: null}}\n    when:").replace(
            "{sent: hello, channel: email, at: Tue 15:00}", "{not_sent: hello, because: unreachable}"
        )
    )
    assert run(["test", "welcome.yaml"]) == 0, capsys.readouterr().out
