"""docs/previews.md is true: its commands run, its person is one, its numbers and members are the code's."""

import asyncio
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from api.previews import DraftPreview, MessagePreview, PublishedPreview, TemplatePreview
from application import people_languages
from cli import chromium, preview
from cli.main import run
from domain.channels import email
from domain.templates.languages import TemplateLanguages, find_fallbacks
from tests.cli.conftest import Output, folder, no_logs, serve_api
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.harness import ADMIN_KEY, PATIENCE, Harness

__all__ = ["folder", "no_logs"]  # fixtures

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "previews.md").read_text()


def commands(kind: str) -> list[list[str]]:
    """The commands of the page's blocks of a kind, with the examples where they are."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = [line.partition("  #")[0] for block in blocks for line in block.splitlines()]
    return [shlex.split(line.replace("examples/", f"{ROOT}/examples/"))[1:] for line in lines if "sojourn " in line[:8]]


async def test_the_commands_and_calls_of_the_page(
    harness: Harness, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    [person] = re.findall(r"^```yaml person\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (folder / "person.yaml").write_text(person)
    database_url, port = harness.settings.database_url.get_secret_value(), harness.inbox.smtp_port
    with serve_api(database_url, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none") as url:
        monkeypatch.setenv("SOJOURN_API_URL", url)
        monkeypatch.setenv("SOJOURN_API_KEY", ADMIN_KEY)
        assert await asyncio.to_thread(run, ["apply", f"{ROOT}/examples/abandoned-cart.yaml"]) == 0
        assert await asyncio.to_thread(run, ["templates", "publish", f"{ROOT}/examples/messages"]) == 0
        await harness.identify("u-1", first_name="Ada", email="ada@example.com", locale="de")
        cart = {"cart_id": "c-1", "value": 120, "currency": "EUR", "checkout_url": "https://shop.example.com/c"}
        await harness.track("u-1", "Cart Abandoned", cart)
        for words in commands("sh"):
            assert await asyncio.to_thread(run, words) == 0, (words, capsys.readouterr())
        for line in curl_lines(PAGE):
            call = read_curl(line, {"URL": url, "KEY": ADMIN_KEY})
            answer = await harness.http.send(call.request)
            assert answer.status_code == call.status, (line, answer.text)
            assert call.then in answer.text
    assert sorted(file.name for file in (folder / "previews").iterdir()) == [
        "abandoned-cart-nudge-de.html",
        "abandoned-cart-nudge-de.txt",
    ]
    mails = await harness.inbox.wait_for(2, PATIENCE)
    assert {str(mail.message["Subject"])[:7] for mail in mails} == {email.TEST_MARK}


def test_what_is_missing_is_told_as_the_page_says(folder: Path, capsys: Output) -> None:
    cart = {"cart_id": "c-1", "value": 120, "checkout_url": "https://shop.example.com/c"}
    (folder / "person.json").write_text(json.dumps({"entry": {"properties": cart}}))
    command = ["preview", f"{ROOT}/examples/abandoned-cart.yaml", "nudge", "--profile", "person.json"]
    assert run(command) == 0
    [line] = re.findall(r"`(cart-nudge\.liquid:.*?)`", PAGE)
    assert line in capsys.readouterr().err.replace("`", "")


@pytest.mark.usefixtures("folder")
def test_the_pictures_of_the_page(capsys: Output) -> None:
    if not any(shutil.which(name) for name in chromium.BROWSERS):
        if "CI" in os.environ:
            pytest.fail("pictures need Chromium: apt install chromium-headless-shell")
        pytest.skip("no Chromium: apt install chromium-headless-shell")
    [words] = commands("sh picture")
    assert run(words) == 0
    pictures = [line for line in capsys.readouterr().out.splitlines() if line.endswith(".png")]
    assert [file.partition("nudge-")[2] for file in pictures][:2] == ["desktop.png", "mobile.png"]


def test_the_numbers_and_members_are_those_of_the_code() -> None:
    assert f"{preview.DESKTOP_WIDTH} pixels wide and one {preview.MOBILE_WIDTH} pixels wide" in PAGE
    assert f"more than {email.MAX_SHOWN_BYTES // 1024} KB" in PAGE
    assert f"Up to {people_languages.SAMPLE:,} people" in PAGE
    assert f"`{email.TEST_MARK.strip()}` before its subject" in PAGE
    given = {name.strip("`") for row in rows(PAGE, "## By the API") for name in row[0].split(", ")}
    forms = PublishedPreview, DraftPreview, TemplatePreview
    assert given == {"campaign", "step", "version", "document", "template"}
    assert given <= {name for form in forms for name in form.model_fields}
    shown = {name.strip("`") for row in rows(PAGE, "### The answer") for name in row[0].split(", ")}
    assert shown <= {*MessagePreview.model_fields}
    [line] = re.findall(r"^Languages: (.*)$", PAGE, re.MULTILINE)
    [found] = find_fallbacks([TemplateLanguages("cart-nudge", (), "en")], {"pt": 1_204}, 20_000, 20_000)
    assert found.summary == line
