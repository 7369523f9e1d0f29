"""docs/templates.md is true: its templates render, its rows give what they say, its limits are the code's."""

import json
import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.channels.email import MAX_SUBJECT_CHARACTERS
from domain.channels.kinds import CHANNELS
from domain.document import yaml_source
from domain.templates import liquid_bounds, liquid_context, template_sets
from domain.templates.liquid_environment import TEXT
from domain.templates.liquid_parser import known_tags
from domain.templates.template_sets import TemplateRenderError, TemplateSet, load
from domain.templates.variables import VARIABLES
from tests.docs import tables
from tests.domain.templates.sources import email, only, variables

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
BLOCKS = dict(re.findall(r"^```liquid (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
DATA = json.loads(re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
# Without the tags within blocks, which stand beside theirs.
TAGS = known_tags(TEXT) - {"else", "elsif", "when"}
FILTER_GROUPS = re.findall(r"^### .*$", PAGE, re.MULTILINE)


def rows(heading: str) -> list[tuple[str, ...]]:
    return tables.rows(PAGE, heading)


def examples() -> list[tuple[str, ...]]:
    """What is written and what it gives, of all tables that say so."""
    named = [row[1:] for heading in ("## Tags", *FILTER_GROUPS) for row in rows(heading)]
    return [*named, *rows("## How values print")]


def rendered(template: TemplateSet, data: dict[str, Any]) -> str:
    text = template.render(variables(**data), "de", ZoneInfo("Asia/Tokyo"))["text"]
    return str(text).replace("\u00a0", " ").replace("\n", "⏎")


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {"email", "unsubscribe", "webhook"}
    assert PAGE.count("```") == 2 * len(BLOCKS) + 2


def test_every_tag_is_shown() -> None:
    shown = {row[0].strip("`"): row[1] for row in rows("## Tags")}
    assert set(shown) == TAGS
    assert all(re.search(rf"\{{%-? {tag}", written) for tag, written in shown.items())


@pytest.mark.parametrize(
    ("written", "message", "nearest"),
    [
        ("{% iff profile.user_id %}x{% endiff %}", "there is no tag 'iff'", "`if`"),
        ("{{ profile.user }}", "there is no variable 'profile.user'", "`user_id`"),
        ("{{ 'x' | upcas }}", "there is no filter 'upcas'", "`upcase`"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_known_one(written: str, message: str, nearest: str) -> None:
    _, [problem] = load({"t.liquid": email(text=written)})
    assert problem.message == message
    assert problem.suggestion.startswith(f"Did you mean {nearest}?")


def test_every_filter_is_shown() -> None:
    shown = {row[0].strip("`"): row[1] for heading in FILTER_GROUPS for row in rows(heading)}
    assert set(shown) == set(TEXT.filters)
    assert all(re.search(rf"\| {name}\b", written) for name, written in shown.items())


def test_the_keys_of_a_mail_are_those_of_the_page() -> None:
    email_kind = CHANNELS["email"]
    said = {(key.strip("`"), need) for key, need, _ in rows("## E-mails")}
    required = {(key, "required") for key in ("channel", *email_kind.required)}
    assert f"longer than {MAX_SUBJECT_CHARACTERS} characters" in PAGE
    assert said == required | {(key, "optional") for key in email_kind.optional}


def test_a_loop_knows_what_the_page_says() -> None:
    [said] = re.findall(r"knows `forloop\.(.*)\.$", PAGE, re.MULTILINE)
    fields = re.findall(r"\w+", said.replace("and", ""))
    body = "{% for n in (1..3) %}" + "".join(f"{{{{ forloop.{field} }}}}," for field in fields) + "{% endfor %}"
    assert len(fields) == 6
    assert only(email(text=body)).render(variables(), None)["text"].startswith("1,0,3,true,false,3,")


def test_the_link_of_the_page_serves_both_kinds_of_message() -> None:
    template = only(email(BLOCKS["unsubscribe"]))
    given = variables()
    assert given["unsubscribe_url"] in template.render(given, None)["html"]
    del given["unsubscribe_url"]
    assert template.render(given, None)["html"].strip() == ""


def test_a_language_is_looked_for_as_the_page_says() -> None:
    files = {f"cart{part}.liquid": email(text=part or "default") for part in ("", ".pt", ".pt-BR", ".de")}
    sets, _ = load(files)
    texts = [sets["cart"].render(variables(), locale)["text"] for locale in ("pt-BR", "pt_PT", "de-AT", "fr", None)]
    assert texts == [".pt-BR", ".pt", ".de", "default", "default"]


def test_the_mail_of_the_page_is_rendered() -> None:
    items = [{"name": "Tea", "quantity": 2, "price": 4.5}]
    content = only(BLOCKS["email"]).render(variables(order_id="A-1", due="2026-12-24", items=items), "de")
    assert content["subject"] == "Your order A-1, and thanks"
    assert "2 x Tea: 4,50\u00a0€" in content["text"]
    assert "24. Dezember 2026" in content["html"]
    assert "It is empty." in only(BLOCKS["email"]).render(variables(order_id="A-1", due="2026-12-24"), "de")["text"]


def test_the_webhook_of_the_page_keeps_its_types() -> None:
    items = [{"sku": '"},"user":"x'}]
    assert only(BLOCKS["webhook"]).render(variables(total=9.5, items=items), None)["data"] == {
        "user": "u1",
        "total": 9.5,
        "items": items,
        "note": "1 items",
        "source": "sojourn",
    }


@pytest.mark.parametrize(("written", "gives"), rows("## Missing values") + examples())
def test_a_row_gives_what_it_says(written: str, gives: str) -> None:
    data = {"n": None} if (written, gives) in rows("## Missing values") else DATA
    template = only(email(text=written.strip("`")))
    if gives.startswith("fails: "):
        with pytest.raises(TemplateRenderError, match=re.escape(gives.removeprefix("fails: ").strip("`"))):
            rendered(template, data)
    else:
        assert rendered(template, data) == gives.strip("`")


def test_a_template_sees_what_the_page_says() -> None:
    assert rows("## Variables") == [(f"`{each.name}`", each.meaning, each.missing) for each in VARIABLES]


def test_the_limits_are_those_of_the_page() -> None:
    limits = {name: re.split(r" (?=units)", value)[0] for name, value in rows("## Limits")}
    assert limits == {
        "a file": f"{template_sets.MAX_FILE_BYTES // 1024} KB",
        "front matter, a webhook's body": f"{yaml_source.MAX_SIZE // 1024} KB",
        "tags and outputs of a text": f"{liquid_bounds.MAX_TAGS:,}",
        "a tag": f"{liquid_bounds.MAX_TAG_CHARACTERS:,} characters",
        "what a text puts out": f"{liquid_context.MAX_OUTPUT_BYTES // 1024} KB",
        "steps of all loops of a message": f"{liquid_context.MAX_LOOP_STEPS:,}",
        "assigned variables": f"{liquid_context.MAX_LOCALS_BYTES // 1024} KB",
        "work of a message": f"{liquid_context.MAX_WORK:,}",
    }
