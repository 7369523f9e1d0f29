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
from domain.sending import attachment
from domain.sending.senders import DeployedSenders
from domain.sending.senders_document import parse_senders
from domain.templates import attachments, composition, liquid_bounds, liquid_context, template_sets
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


def composed(text: str, file: str = "t.liquid", **shared: str) -> TemplateSet:
    sets, problems = load({file: text, **shared})
    assert problems == []
    return sets["t"]


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {"email", "unsubscribe", "mjml", "block", "render", "layout", "webhook", "invite", "message"}
    assert PAGE.count("```") == 2 * len(BLOCKS) + 4


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
    assert said == required | {(key, "optional") for key in (*email_kind.optional, *email_kind.structured)}


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


def test_the_mjml_of_the_page_is_compiled() -> None:
    template = composed(BLOCKS["mjml"], "t.mjml")
    items = [{"name": name, "image": f"https://x.example/{name}.png"} for name in ("tea", "cup")]
    html = template.render(variables(items=items), None)["html"]
    assert html.count("<img") == 2
    assert 'alt="cup"' in html
    [kilobytes] = re.findall(r"The HTML of the template above has (\d+) KB", PAGE)
    assert round(len(template.compiled_bodies["t.mjml"].html) / 1024) == int(kilobytes)


def test_the_block_of_the_page_gets_its_arguments() -> None:
    template = composed(email(BLOCKS["render"]), **{"blocks/button.liquid": BLOCKS["block"]})
    assert ">Pay</a>" in template.render(variables(label="Pay"), None)["html"]
    assert ">See more</a>" in template.render(variables(), None)["html"]


def test_the_layout_of_the_page_stands_around_both_parts() -> None:
    template = composed(email("<p>x</p>", layout="letter"), **{"layouts/letter.liquid": BLOCKS["layout"]})
    content = template.render(variables(), None)
    assert "<p>x</p>" in content["html"]
    assert content["html"].endswith("</html>\n")
    assert content["text"].split() == ["t", "Unsubscribe:", "https://example.com/u/abc"]


def test_the_senders_of_the_page_are_the_example() -> None:
    [block] = re.findall(r"^```yaml\n(senders:.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    example = (Path(__file__).parents[2] / "examples/senders/senders.yaml").read_text()
    assert parse_senders(block, "senders.yaml") == parse_senders(example, "senders.yaml")
    senders = DeployedSenders(parse_senders(block, "senders.yaml"))
    template = composed(email(from_owner="account.traits.owner"))
    given = {**variables(), "account": {"id": "acme", "traits": {"owner": "4711"}}}
    assert template.render(given, None, senders=senders)["from"] == "Ben Ode <ben@example.com>"


def test_the_invitation_of_the_page_is_rendered() -> None:
    text = email().replace("---\n<p>", "attachments: [invite.ics]\n---\n<p>")
    template = composed(text, **{"attachments/invite.ics.liquid": BLOCKS["invite"]})
    [file] = template.render(variables(title="Tea, with Ana", starts_at="2026-11-29T23:30:00Z"), None)["attachments"]
    assert file.media_type == 'text/calendar; charset="utf-8"; method=REQUEST'
    assert b"SUMMARY:Tea\\, with Ana\r\n" in file.data


def test_the_endings_of_the_page_are_those_that_are_attached() -> None:
    [said] = re.findall(r"^Files end in (.*?)\.$", PAGE, re.MULTILINE)
    assert re.findall(r"`(\w+)`", said) == list(attachments.MEDIA_TYPES)


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


def test_the_message_of_the_page_is_a_banner() -> None:
    content = only(BLOCKS["message"]).render(variables({"first_name": "Ada"}, cart_id="a/b"), None)["content"]
    assert content["title"] == "Hello Ada"
    assert content["actions"][0]["url"] == "/checkout?cart=a%2Fb"


@pytest.mark.parametrize(("written", "gives"), rows("## Missing values") + examples())
def test_a_row_gives_what_it_says(written: str, gives: str) -> None:
    data = {"n": None} if (written, gives) in rows("## Missing values") else DATA
    template = composed(email(text=written.strip("`")), **{"blocks/hello.liquid": "Hello {{ to }}"})
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
        "a mail's body with its layout and blocks": f"{composition.MAX_COMPOSED_CHARACTERS // 1024} KB",
        "an attached file": f"{attachment.MAX_FILE_BYTES // 1024**2} MB",
        "all attachments of a mail": f"{attachment.MAX_ATTACHED_BYTES // 1024**2} MB",
        "front matter, a webhook's body": f"{yaml_source.MAX_SIZE // 1024} KB",
        "tags and outputs of a text": f"{liquid_bounds.MAX_TAGS:,}",
        "a tag": f"{liquid_bounds.MAX_TAG_CHARACTERS:,} characters",
        "what a text puts out": f"{liquid_context.MAX_OUTPUT_BYTES // 1024} KB",
        "steps of all loops of a message": f"{liquid_context.MAX_LOOP_STEPS:,}",
        "assigned variables": f"{liquid_context.MAX_LOCALS_BYTES // 1024} KB",
        "work of a message": f"{liquid_context.MAX_WORK:,}",
    }
