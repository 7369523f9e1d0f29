"""`sojourn rehearse`: generated people walk through campaigns, without a server."""

import gc
import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.rehearsal_files import load_rehearsal
from domain.rehearsal.person_run import PersonRun
from domain.rehearsal.rehearse import find_first_day, rehearse
from domain.rehearsal.vocabulary import learn_vocabulary
from tests.cli.conftest import Output
from tests.domain.campaign.documents import EMAIL
from tests.domain.campaign.test_examples import CAMPAIGNS, COMPUTED, EXAMPLES
from tests.proofs import IS_LONG

CAMPAIGN = """\
key: welcome
name: Welcome
entry: {event: Signed Up, where: event.properties.value > 100 && has(profile.traits.plan)}
exit: [{event: Account Closed}]
goal: {event: Feature Used, within: 7d}
steps:
  - {id: hello, send: {channel: email, template: hello}}
  - id: used
    wait_for: {event: Feature Used, timeout: 2d}
    on_timeout: [{exit: idle}]
  - id: plan
    branch:
      - {when: 'profile.traits.plan in ["team", "firm"]', do: [{exit: company}]}
      - {when: entry.properties.value == 250, do: [{exit: exact}]}
  - id: version
    split: {seed: s1, arms: {a: 99, b: 1}}
    a: []
    b: [{exit: rare}]
"""
CAPS = "rules: [{name: daily, limit: 1, per: 1d}]\n"
# Ways of examples that no generated person can take: answers to surveys and accounts are not simulated, a journey that
# never rests is ended by no event, a date that is computed is always readable, and the last channel has no fallback.
UNREACHED = {
    "ask-after-delivery": {"grade: case 1", "grade: case 2", "story", "words: event", "words: timeout", "help"},
    "ask-in-app": {"stars: case 1"},
    "delivery-delayed": {"notice.fallback: fallback"},
    "price-drop": {"exit: Unsubscribed"},
    "pricing-discount": {"exit: Subscription Started"},
    "promotion": {"last-day: unreadable"},
    "second-purchase": {"two-months: unreadable"},
    "weekly-report": {"ready.fallback: fallback"},
}
OF_ACCOUNTS = {"no-invitation", "seat-limit"}
DOCUMENTS = ("caps/frequency-caps.yaml", "topics/topics.yaml")
SHORT = ("abandoned-cart", "price-drop", "seat-limit")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "hello.liquid").write_text(EMAIL)
    (tmp_path / "welcome.yaml").write_text(CAMPAIGN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rehearsed(capsys: Output, *words: str) -> tuple[int, dict[str, Any]]:
    status = run(["rehearse", *words, "--json"])
    [campaign] = json.loads(capsys.readouterr().out)["campaigns"]
    return status, campaign


def test_every_way_is_taken(folder: Path, capsys: Output) -> None:
    status, found = rehearsed(capsys, "welcome.yaml", "--people", "60")
    assert status == 0
    assert found["unreached"] == []
    assert found["people"] == 60
    assert {"idle", "company", "exact", "completed", "rare", "exited"} <= {one["outcome"] for one in found["paths"]}
    # An arm of 1 in 100 is looked for.
    assert any("version: b" in one["ways"] for one in found["paths"])
    assert {one["example"] for one in found["paths"]} == set(found["examples"])
    story = next(iter(found["examples"].values()))
    assert [one["at"] for one in story] == sorted(one["at"] for one in story)
    assert any(one["what"] == "entered welcome" for one in story)
    assert found["messages"]["rendered"] == {"hello, email": 20}


def test_a_seed_draws_the_same_people(folder: Path, capsys: Output) -> None:
    def draw(seed: str) -> dict[str, Any]:
        _, found = rehearsed(capsys, "welcome.yaml", "--people", "30", "--seed", seed)
        return {**found, "seconds": 0}

    assert draw("a") == draw("a")
    assert draw("a")["examples"] != draw("b")["examples"]


def test_a_way_that_no_person_takes_is_told(folder: Path, capsys: Output) -> None:
    impossible = CAMPAIGN.replace("entry.properties.value == 250", "entry.properties.value < 100")
    (folder / "welcome.yaml").write_text(impossible)
    status = run(["rehearse", "welcome.yaml", "--people", "20"])
    said = capsys.readouterr().out
    assert status == 1
    line = "not taken  plan: case 2: no generated person meets it: entry.properties.value < 100"
    assert line in said
    assert line in (EXAMPLES.parent / "docs" / "rehearsal.md").read_text()
    assert "PEOPLE" in said
    assert "hello: email hello sent" in said
    assert "�" not in said


def test_a_message_that_fails_is_told(folder: Path, capsys: Output) -> None:
    failing = EMAIL + "\n{{ profile.traits.plan | minus: 1 }}\n"
    (folder / "templates" / "hello.liquid").write_text(failing)
    status, found = rehearsed(capsys, "welcome.yaml", "--people", "20")
    assert status == 1
    [fault] = [one for one in found["messages"]["faults"] if one["fails"]]
    assert fault["step"] == "hello"
    assert fault["user_id"].startswith("person-")


def test_a_message_that_fails_without_a_value_is_told(folder: Path, capsys: Output) -> None:
    """Some people lack a value that is printed, and one is rendered for each."""
    prints = (
        EMAIL
        + "\n{{ profile.traits.nickname }} {{ entry.properties.shop }} {{ profile.traits.motto | default: 'x' }}\n"
    )
    (folder / "templates" / "hello.liquid").write_text(prints)
    status, found = rehearsed(capsys, "welcome.yaml", "--people", "300")
    assert status == 1
    said = {fault["said"] for fault in found["messages"]["faults"] if fault["fails"]}
    assert all(any(name in one for one in said) for name in ("profile.traits.nickname", "entry.properties.shop"))
    assert not any("motto" in one for one in said)
    required = CAMPAIGN.replace("has(profile.traits.plan)", "has(profile.traits.plan) && has(profile.traits.nickname)")
    (folder / "welcome.yaml").write_text(required)
    (folder / "templates" / "hello.liquid").write_text(EMAIL + "\n{{ profile.traits.nickname }}\n")
    status, found = rehearsed(capsys, "welcome.yaml", "--people", "300")
    assert (status, found["messages"]["faults"]) == (0, [])


def test_a_broken_file_shows_its_errors(folder: Path, capsys: Output) -> None:
    (folder / "welcome.yaml").write_text(CAMPAIGN.replace("key: welcome", "key: Welcome!"))
    assert run(["rehearse", "welcome.yaml"]) == 1
    assert "welcome.yaml:1" in capsys.readouterr().err


def test_it_rehearses_again_after_a_save(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    saves = iter(("key: [broken", CAMPAIGN))

    def save(_: float) -> None:
        text = next(saves, None)
        if text is None:
            raise KeyboardInterrupt
        (folder / "welcome.yaml").write_text(text)

    monkeypatch.setattr("cli.rehearse.time.sleep", save)
    assert run(["rehearse", "welcome.yaml", "--people", "5", "--watch"]) == 130
    printed = capsys.readouterr()
    assert printed.out.count("welcome.yaml: campaign welcome") == 2
    assert "welcome.yaml:1" in printed.err


def test_hidden_files_are_not_watched(folder: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `sojourn dev` that runs here writes all the time."""
    data = folder / ".sojourn" / "postgres"
    data.mkdir(parents=True)
    looks = iter((data / "wal", folder / "templates" / "hello.liquid", None))

    def write(_: float) -> None:
        path = next(looks)
        if path is None:
            raise KeyboardInterrupt
        path.write_text(EMAIL)

    monkeypatch.setattr("cli.rehearse.time.sleep", write)
    assert run(["rehearse", "welcome.yaml", "--people", "5", "--watch"]) == 130
    assert capsys.readouterr().out.count("welcome.yaml: campaign welcome") == 2


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"again.yaml": CAMPAIGN}, "`welcome` is the key of again.yaml as well. Give each campaign a key of its own"),
        (
            dict.fromkeys(("a.yaml", "b.yaml"), "key: vip\nname: VIP\nwhere: profile.traits.plan == 'firm'\n"),
            "`vip` is the key of a.yaml as well. Give each segment a key of its own",
        ),
        (dict.fromkeys(("a.yaml", "b.yaml"), CAPS), "a.yaml is the document of the frequency caps as well"),
    ],
)
def test_two_files_of_one_key_are_refused(folder: Path, capsys: Output, more: dict[str, str], said: str) -> None:
    for name, text in more.items():
        (folder / name).write_text(text)
    assert run(["rehearse", "."]) == 1
    assert said in capsys.readouterr().err


def test_scenarios_are_not_rehearsed(folder: Path, capsys: Output) -> None:
    (folder / "welcome.test.yaml").write_text("scenarios: []\n")
    assert run(["rehearse", "welcome.test.yaml"]) == 1
    assert "name its campaign, or run them by `sojourn test welcome.test.yaml`" in capsys.readouterr().err


def test_a_journey_that_is_too_long_is_told(folder: Path, capsys: Output) -> None:
    status, found = rehearsed(capsys, "welcome.yaml", "--people", "5", "--days", "1")
    assert status == 1
    whys = {one["way"]: one["why"] for one in found["unreached"]}
    assert whys["used: timeout"] == "no generated person took it; journeys were under way after 1 day"


def test_the_people_are_counted_one_by_one(folder: Path) -> None:
    """Repetitions would fill the memory with what all people got."""
    loaded = load_rehearsal([folder / "welcome.yaml"])
    [campaign] = loaded.campaigns
    first = find_first_day(campaign.running.rules)
    words = learn_vocabulary(loaded.rulebook, campaign.running, {}, first)
    found = rehearse(loaded.rulebook, campaign.running, words, 200, "1", first, lambda done, total: None)
    gc.collect()
    kept = sum(isinstance(one, PersonRun) for one in gc.get_objects())
    assert len(found.examples) <= kept < 50


def test_a_campaign_of_accounts_is_refused(capsys: Output) -> None:
    assert run(["rehearse", str(EXAMPLES / "seat-limit.yaml")]) == 1
    assert "its journeys are of accounts" in capsys.readouterr().err


@pytest.mark.takes_long
@pytest.mark.parametrize(
    "file", CAMPAIGNS if IS_LONG else [one for one in CAMPAIGNS if one.stem in SHORT], ids=lambda file: file.stem
)
def test_the_examples_are_walked(file: Path, capsys: Output) -> None:
    if file.stem in OF_ACCOUNTS:
        assert run(["rehearse", str(file)]) == 1
        return
    beside = file.with_name(f"{file.stem}.test.yaml").exists()
    documents = (
        []
        if beside
        else [str(COMPUTED), str(EXAMPLES / "caps" / "frequency-caps.yaml"), str(EXAMPLES / "topics" / "topics.yaml")]
    )
    status, found = rehearsed(capsys, str(file), *documents, "--people", "60")
    expected = UNREACHED.get(file.stem, set())
    assert {one["way"] for one in found["unreached"]} == expected
    assert status == bool(expected)
    assert not any(fault["fails"] for fault in found["messages"]["faults"])
