"""docs/in-app.md is true: its templates render and are drawn, its keys, words and bounds are the code's."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec import convert

from cli.main import run
from domain.campaign.publication import check
from domain.channels.in_app import labels, theme, when_and_where
from domain.channels.in_app.channel import MAX_CONTENT_BYTES, InApp
from domain.channels.in_app.kinds import IN_APP_KINDS
from domain.channels.in_app.message_kind import MAX_ACTIONS
from domain.channels.kinds import CHANNELS
from domain.sending.inbox_texts import describe_inbox
from domain.sending.page_reactions import build_reports, read_reaction
from domain.surveys import survey, survey_template
from domain.templates import shown_parts
from domain.templates.markdown import parse_markdown
from domain.templates.template_sets import load
from domain.tracking import url_globs
from tests.docs import tables
from tests.domain.channels.in_app.in_app_templates import faults, in_app
from tests.domain.templates.sources import variables

PAGE = (Path(__file__).parents[2] / "docs" / "in-app.md").read_text()
BLOCKS = dict(re.findall(r"^```liquid (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
DATA: dict[str, Any] = {"items": [{"name": "Tea"}, {"name": "Cup"}], "image": "/cart.png"}


def rows(heading: str) -> list[tuple[str, ...]]:
    return tables.rows(PAGE, heading)


def test_every_kind_has_a_block() -> None:
    assert list(BLOCKS) == list(IN_APP_KINDS)
    [said] = [meaning for key, _, meaning in rows("## Front matter") if key == "`kind`"]
    assert re.findall(r"`(\w+)`", said) == list(IN_APP_KINDS)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_rendered_and_drawn_without_a_doubt(name: str) -> None:
    sets, problems = load({"t.liquid": BLOCKS[name]})
    assert problems == []
    assert sets["t"].warnings == ()
    content = sets["t"].render(variables({"first_name": "Ada"}, **DATA), None)
    assert content["kind"] == name
    assert InApp().draw_page(content).startswith("<!doctype html>")
    assert list(InApp().find_doubts(content)) == []


def test_the_keys_are_those_of_the_page() -> None:
    kind = CHANNELS["in_app"]
    said = {key.strip("`"): need for key, need, _ in rows("## Front matter")}
    own = (*kind.required, *kind.optional, *kind.structured, *kind.numbers)
    assert set(said) == set(own)
    assert {key for key, need in said.items() if need == "required"} == set(kind.required)
    assert {key.strip("`").partition(":")[0] for key, _ in rows("## When")} == {
        *("seconds", "scroll", "exit_intent", "dwell", "seen", "feature")
    }


def test_the_bounds_are_those_of_the_page() -> None:
    for bound, said in {
        url_globs.MAX_GLOBS: "at most 20 patterns",
        when_and_where.MAX_PRIORITY: "0 to 100, 50 without it",
        when_and_where.MAX_WAIT_SECONDS: "1 to 3,600",
        shown_parts.MAX_LINE_CHARACTERS: "at most 200 characters",
        MAX_ACTIONS: "Up to 3 `actions`",
        MAX_CONTENT_BYTES: "at most 32,000 bytes",
        survey_template.MAX_OPTIONS: "at most 20, each",
        survey_template.MAX_QUESTIONS: "at most 20 questions",
        theme.MAX_RADIUS: "0 to 32 pixels",
    }.items():
        assert said in PAGE
        assert f"{bound:,}" in said


@pytest.mark.parametrize("every", ["once", "until_clicked", "until_dismissed", "each_session", "3 times", "3 in 7d"])
def test_each_way_to_show_again_is_one(every: str) -> None:
    assert f"`{every}`" in PAGE
    assert faults(in_app(front=f"every: {every}")) == []


def test_a_message_shows_again_as_the_page_says() -> None:
    assert {
        name: kind.default_every for name, kind in IN_APP_KINDS.items() if kind.default_every != "until_dismissed"
    } == {"modal": "once"}


def test_a_text_is_what_the_page_says() -> None:
    written = {text.strip("`"): meaning for text, meaning in rows("## Texts") if text.startswith("`")}
    tags = {"bold": "b", "italic": "i", "a link": "a", "an image, with the words in its place": "img"}
    for text, meaning in written.items():
        [node] = parse_markdown(text)
        if meaning == "an item of a list":
            assert node["t"] == "ul"
        elif meaning == "the character itself":
            assert node["c"] == [{"t": "text", "v": "*"}]
        else:
            assert [inner["t"] for inner in node["c"]] == [tags[meaning]]
    assert parse_markdown("a\\\nb") == parse_markdown("a  \nb")
    assert [node["t"] for node in parse_markdown("a\n\nb")] == ["p", "p"]


def test_the_types_of_questions_are_those_of_the_page() -> None:
    [said] = re.findall(r"`type` is (.*?)\. It stands", PAGE, re.DOTALL)
    assert re.findall(r"`(\w+)`", said) == list(survey_template.QUESTION_TYPES)
    assert {name: (scale[0], scale[-1]) for name, scale in survey.GRADES.items()} == {
        "nps": (0, 10),
        "csat": (1, 5),
        "stars": (1, 5),
    }


def test_the_words_of_buttons_are_those_of_the_page() -> None:
    said = PAGE[PAGE.index("## Languages") :]
    assert all(f"`{label}`" in said for label in labels.LABELS)
    languages = {"English": "en", "German": "de", "French": "fr", "Spanish": "es", "Italian": "it", "Dutch": "nl"}
    languages |= {"Portuguese": "pt", "Arabic": "ar", "Hebrew": "he"}
    assert all(name in said for name in languages)
    assert set(languages.values()) == set(labels.LANGUAGES)
    assert {labels.direction_of(code) for code in ("ar", "he", "fa-IR", "ur")} == {"rtl"}


def test_the_campaign_can_be_published_and_the_events_are_those_of_the_channel() -> None:
    [source] = re.findall(r"^```yaml campaign\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    mail = "---\nchannel: email\nsubject: S\nfrom: a@example.com\ntext: T\n---\nH\n"
    templates = {"cart.in_app.liquid": BLOCKS["card"], "cart.email.liquid": mail}
    assert check(source, "cart-on-the-page.yaml", templates).definition.key == "cart-on-the-page"
    said = {event.strip("`") for event, _ in rows("## From a journey to the page and back")}
    assert said == {name for _, name in CHANNELS["in_app"].list_events()}


def shown(name: str) -> dict[str, Any]:
    """Return the content of a block as an app gets it."""
    sets, _ = load({"t.liquid": BLOCKS[name]})
    rendered: dict[str, Any] = sets["t"].render(variables({"first_name": "Ada"}, **DATA), None)["content"]
    return rendered


def block(language: str, name: str) -> str:
    [text] = re.findall(rf"^```{language} {name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Iterate over the nodes of rich text in a content."""
    if isinstance(tree, dict) and "t" in tree:
        yield tree
    for inner in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from nodes(inner)


def test_the_nodes_of_rich_text_are_those_of_the_page() -> None:
    table = tables.rows("\n## Nodes\n" + PAGE.partition("Rich text is a list of nodes.")[2], "## Nodes")
    said = {kind: set(re.findall(r"`(\w+)`", has)) for kinds, has in table for kind in re.findall(r"`(\w+)`", kinds)}
    written = "\n\n".join(text.strip("`") for text, _ in rows("## Texts") if text.startswith("`")) + "\n\na\\\nb"
    found = [*nodes([shown(name) for name in BLOCKS]), *nodes(parse_markdown(written))]
    assert {node["t"] for node in found} == set(said)
    for node in found:
        assert node.keys() - {"t"} == said[node["t"]]


def test_an_app_gets_the_keys_as_the_page_says() -> None:
    banner = shown("banner")
    assert banner["every"] == json.loads(re.findall(r"`3 in 7d` is `(.*?)`", PAGE)[0])
    assert shown("modal")["every"] == json.loads(re.findall(r"`every` \| `(.*?)`", PAGE)[0])
    assert (banner["between"], shown("modal")["between"], shown("tooltip")["after"]) == (None, 86_400, None)
    assert isinstance(banner["labels"]["close"], str)
    assert {"dir", "lang"} <= banner.keys()


def test_the_reactions_of_an_app_are_read() -> None:
    body, now = json.loads(block("json", "reactions")), datetime(2026, 12, 1, 10, 0, 9, tzinfo=UTC)
    asked = convert({key: shown("survey")[key] for key in ("questions", "thanks", "title")}, survey.Survey)
    reports = [report for one in body["reactions"] for report in build_reports(read_reaction(one), asked, now, now)]
    answers = {report.answer.question: report.answer.value for report in reports if report.answer is not None}
    assert answers == {"score": 3, "reason": ["price"], "more": "It rained."}
    assert [report.kind for report in reports] == ["opened", "clicked", *["answered"] * 3, "completed"]
    assert body["reactions"][1]["action"] in {action["id"] for action in shown("banner")["actions"]}


@pytest.mark.parametrize("line", block("sh", "site").splitlines())
def test_the_commands_for_a_site_exist(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*shlex.split(line, comments=True)[1:], "--help"]) == 0, capsys.readouterr()


def test_a_line_says_where_a_message_is_in_the_words_of_the_page() -> None:
    states: tuple[dict[str, Any], ...] = ({}, {"given_at": "now"}, {"withdrawn": "goal"}, {"has_expired": True})
    words = [word for line, _ in rows("### Why is it not shown?") for word in re.findall(r"`([a-z ]+)`", line)]
    for state, said in zip(states, ("waits for the person", "given at", "withdrawn", "expired"), strict=True):
        assert said in words
        assert said in describe_inbox({"inbox": state}, str)


def test_the_options_of_the_script_are_those_of_its_page() -> None:
    root = Path(__file__).parents[2]
    [options] = re.findall(
        r"^export interface Options \{\n(.*?)^\}", (root / "browser/src/client.ts").read_text(), re.M | re.S
    )
    [said] = re.findall(r"`load` takes (.*?), as the", (root / "docs/browser.md").read_text())
    assert re.findall(r"`(\w+)`", said) == re.findall(r"^  (\w+)\??:", options, re.MULTILINE)


def test_the_classes_of_a_slot_are_those_of_the_page() -> None:
    said = set(re.findall(r"`\.(\w+)`", PAGE.partition("### Slot")[2].partition("### Custom")[0]))
    parts = (Path(__file__).parents[2] / "browser/src/views/parts.ts").read_text()
    assert said == {"cover", "text", "acts", "act"}
    assert all(f'class: "{name}"' in parts or f"class: `{name} $" in parts for name in said)
