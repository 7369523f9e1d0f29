"""docs/templates.md is true: its templates render, its rows give what they say, its limits are the code's."""

import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from domain.document import yaml_source
from domain.templates import liquid_bounds, liquid_context, template_sets
from domain.templates.template_sets import TemplateRenderError
from domain.templates.variables import VARIABLES
from tests.domain.templates.sources import email, only, variables

PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
BLOCKS = dict(re.findall(r"^```liquid (\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
DATA = {"yes": True, "list": [1, "a", True], "object": {"a": [1, None]}, "big": 9007199254740993}


def rows(heading: str) -> list[tuple[str, ...]]:
    """The rows of the table below a heading, without its first two lines."""
    table = re.findall(r"(?:^\|.*\n)+", PAGE.partition(f"\n{heading}\n")[2], re.MULTILINE)[0]
    cells = (re.split(r"(?<!\\) \| ", line.strip("| \n")) for line in table.splitlines()[2:])
    return [tuple(cell.replace(r"\|", "|") for cell in row) for row in cells]


def test_every_block_is_run() -> None:
    assert set(BLOCKS) == {"email", "webhook"} == set(re.findall(r"^```liquid (\w+)$", PAGE, re.MULTILINE))
    assert PAGE.count("```") == 2 * len(BLOCKS)


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


@pytest.mark.parametrize(("written", "gives"), rows("## Missing values") + rows("## How values print"))
def test_a_row_gives_what_it_says(written: str, gives: str) -> None:
    data = {"n": None} if (written, gives) in rows("## Missing values") else DATA
    template = only(email(text=written.strip("`")))
    arguments = (variables(**data), "de", ZoneInfo("Asia/Tokyo"))
    if gives.startswith("fails: "):
        with pytest.raises(TemplateRenderError, match=re.escape(gives.removeprefix("fails: ").strip("`"))):
            template.render(*arguments)
    else:
        assert template.render(*arguments)["text"].replace("\u00a0", " ") == gives.strip("`")


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
