"""sojourn preview and send-test: without a server for a file, and by the API for the rest."""

import json
from pathlib import Path

import pytest

from cli.main import run
from tests.cli.conftest import Output, a_campaign

SENDING = """\
key: {key}
name: Cart
entry: {{event: Cart Abandoned}}
steps:
  - {{id: wait, delay: 30m}}
  - {{id: mail, send: {{channel: email, template: nudge}}}}
  - {{id: hook, send: {{channel: webhook, template: hook}}}}
  - {{id: page, send: {{channel: in_app, template: banner}}}}
"""
NUDGE = """\
---
channel: email
from: Example Shop <hello@example.com>
subject: Hi {{ profile.traits.name | default: "you" }}
text: |
  Cart {{ entry.properties.cart_id }}
---
<p>{{ profile.traits.name | default: "you" }} {{ unsubscribe_url }}</p>
"""
HOOK = "---\nchannel: webhook\nurl: https://crm.example.com/hook\n---\n{user: '{{ profile.user_id }}'}\n"
BANNER = "---\nchannel: in_app\nkind: banner\n---\ntext: Your cart **waits**, {{ profile.traits.name }}.\n"
PERSON = "profile: {traits: {email: ada@example.com}}\nentry: {properties: {cart_id: c-1}}\n"


@pytest.fixture
def cart(folder: Path) -> Path:
    """A campaign with its templates and a person in the current folder."""
    (folder / "templates").mkdir()
    (folder / "templates" / "nudge.liquid").write_text(NUDGE)
    (folder / "templates" / "nudge.de.liquid").write_text("---\nsubject: Hallo\n---\n<p>Hallo</p>\n")
    (folder / "templates" / "hook.liquid").write_text(HOOK)
    (folder / "templates" / "banner.liquid").write_text(BANNER)
    (folder / "person.yaml").write_text(PERSON)
    return a_campaign(folder, "cart", SENDING.format(key="cart"))


@pytest.mark.usefixtures("nowhere", "cart")
def test_a_file_needs_no_server(capsys: Output) -> None:
    assert run(["preview", "cart.yaml", "mail", "--profile", "person.yaml", "--at", "2026-12-24T08:00:00+01:00"]) == 0
    printed = capsys.readouterr()
    assert "Subject  Hi you" in printed.out
    assert "From     Example Shop <hello@example.com>" in printed.out
    assert "At       2026-12-24 07:00 (UTC)" in printed.out
    assert "Cart c-1" in printed.out
    assert "nudge.liquid:4: profile.traits.name is missing, and prints `you`" in printed.err


@pytest.mark.usefixtures("nowhere", "cart")
def test_a_person_is_invented_for_whom_the_message_can_be_rendered(capsys: Output) -> None:
    assert run(["preview", "cart.yaml", "mail"]) == 0
    printed = capsys.readouterr()
    assert "Person   invented" in printed.out
    assert "Subject  Hi Sample" in printed.out
    assert printed.err == ""


@pytest.mark.usefixtures("nowhere", "cart")
def test_the_parts_are_written_to_files(folder: Path, capsys: Output) -> None:
    assert run(["preview", "cart.yaml", "mail", "--language", "de", "--out", "out/previews"]) == 0
    assert run(["preview", "cart.yaml", "hook", "--out", "out/previews"]) == 0
    out = folder / "out" / "previews"
    names = ["cart-hook.json", "cart-mail-de.html", "cart-mail-de.txt"]
    assert sorted(file.name for file in out.iterdir()) == names
    assert (out / "cart-mail-de.html").read_text() == "<p>Hallo</p>\n"
    assert json.loads((out / "cart-hook.json").read_text())["data"] == {"user": "u-1"}
    assert "out/previews/cart-mail-de.html" in capsys.readouterr().out


@pytest.mark.usefixtures("nowhere", "cart")
def test_a_message_of_a_page_is_shown_in_its_place(folder: Path, capsys: Output) -> None:
    assert run(["preview", "cart.yaml", "page", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["content"]["content"]["text"][0]["c"][1]["c"] == [{"t": "text", "v": "waits"}]
    assert run(["preview", "cart.yaml", "page", "--out", "out"]) == 0
    assert sorted(file.name for file in (folder / "out").iterdir()) == ["cart-page.html", "cart-page.json"]
    assert "<strong>waits</strong>, Sample." in (folder / "out" / "cart-page.html").read_text()
    assert shown["page"] == (folder / "out" / "cart-page.html").read_text()


@pytest.mark.usefixtures("nowhere", "cart")
def test_the_html_is_opened_in_the_browser(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {folder}/opened\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    assert run(["preview", "cart.yaml", "mail", "--open", "--out", "out"]) == 0
    assert (folder / "opened").read_text().strip() == (folder / "out" / "cart-mail.html").as_uri()


@pytest.mark.usefixtures("nowhere", "cart")
def test_a_message_that_fails_has_status_1_and_says_where(folder: Path, capsys: Output) -> None:
    (folder / "person.yaml").write_text("profile: {traits: {name: Ada}}\n")
    assert run(["preview", "cart.yaml", "mail", "--profile", "person.yaml"]) == 1
    error = capsys.readouterr().err
    assert "nudge.liquid:6: text: entry.properties.cart_id has no value for this user" in error


@pytest.mark.usefixtures("nowhere", "cart")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cart.yaml", "wait"], "step wait of cart sends nothing. Steps that send: mail, hook, page"),
        (["cart.yaml"], "name the step whose message is wanted"),
        (["email:reset", "mail"], "email:reset is a template"),
        (["cart.yaml", "mial"], "Did you mean `mail`?"),
        (["cart.yaml", "mail", "--timezone", "Mars/City"], "`Mars/City` is not a time zone"),
        (["cart.yaml", "mail", "--language", "german"], "`german` is not a language"),
        (["cart.yaml", "mail", "--version", "1"], "a file has no version"),
        (["cart.yaml", "hook", "--screenshot"], "a message of the channel webhook has no HTML to show"),
    ],
)
def test_a_wrong_argument_is_told(arguments: list[str], said: str, capsys: Output) -> None:
    assert run(["preview", *arguments]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("nowhere", "cart")
@pytest.mark.parametrize(
    ("person", "said"),
    [
        ("profile: {}\nentry: 4\n", "person.yaml:2: entry: expected `object | null`, got `int`"),
        ("profil: {}\n", "person.yaml:1: document: object contains unknown field `profil`"),
        ("profile:\n  country: 5\n", "person.yaml:2: profile.country: expected `str | null`, got `int`"),
        ("- a\n", "person.yaml:1: document: expected `object`, got `array`"),
    ],
)
def test_a_fault_of_the_person_has_its_place(folder: Path, person: str, said: str, capsys: Output) -> None:
    (folder / "person.yaml").write_text(person)
    assert run(["preview", "cart.yaml", "mail", "--profile", "person.yaml"]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.usefixtures("nowhere", "cart")
def test_without_chromium_the_command_says_what_to_install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("cli.chromium.BROWSERS", ("chromium-headless-shell", "chromium"))
    assert run(["preview", "cart.yaml", "mail", "--screenshot", "--out", "out"]) == 1
    assert "apt install chromium-headless-shell" in capsys.readouterr().err
    assert not (folder / "out").exists()


@pytest.mark.usefixtures("cart")
def test_the_api_previews_published_campaigns_and_files(deployment: str, capsys: Output) -> None:
    assert run(["apply", "cart.yaml"]) == 0
    capsys.readouterr()
    assert run(["preview", "cart", "mail", "--profile", "person.yaml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["content"]["subject"], found["is_invented"]) == ("Hi you", False)
    assert run(["preview", "cart", "mail", "--user", "u-9"]) == 1
    assert "nothing was ever reported of user u-9" in capsys.readouterr().err
    assert run(["preview", "cart.yaml", "mail", "--user", "u-9"]) == 1
    assert "nothing was ever reported of user u-9" in capsys.readouterr().err
    assert run(["preview", "cart.yaml", "mail", "--user", "u-9", "--version", "1"]) == 1
    assert "a file has no version" in capsys.readouterr().err


def test_a_template_of_single_messages_is_previewed(deployment: str, folder: Path, capsys: Output) -> None:
    (folder / "reset.liquid").write_text(NUDGE.replace("{{ unsubscribe_url }}", ""))
    assert run(["templates", "publish", "reset.liquid"]) == 0
    (folder / "person.yaml").write_text(PERSON)
    capsys.readouterr()
    assert run(["preview", "email:reset", "--profile", "person.yaml"]) == 0
    assert "Message  message of email:reset: template reset in the default language" in capsys.readouterr().out
    assert run(["preview", "email:rest"]) == 1
    assert "Did you mean `reset`?" in capsys.readouterr().err


@pytest.mark.usefixtures("cart")
def test_plan_says_who_gets_a_fallback_language(deployment: str, capsys: Output) -> None:
    assert run(["users", "import", _people()]) == 0
    capsys.readouterr()
    assert run(["plan", "cart.yaml"]) == 0
    assert "Languages: 2 of 3 people speak `pt`: of nudge they would get the default" in capsys.readouterr().out


def _people() -> str:
    file = Path("people.csv")
    file.write_text("user_id,locale\nu-1,pt-BR\nu-2,pt\nu-3,de\n")
    return str(file)


BOTH = """\
key: both
name: Both
entry: {event: Signed Up}
steps:
  - {id: hello, send: {channel: [webhook, email], template: hello}}
"""


@pytest.mark.usefixtures("nowhere", "cart")
def test_a_step_with_several_channels_shows_each_or_the_named_one(folder: Path, capsys: Output) -> None:
    (folder / "templates" / "hello.webhook.liquid").write_text(HOOK.replace("profile.user_id", "campaign.key"))
    (folder / "templates" / "hello.email.liquid").write_text(NUDGE)
    (folder / "both.yaml").write_text(BOTH)
    assert run(["preview", "both.yaml", "hello", "--profile", "person.yaml", "--out", "shown"]) == 0
    printed = capsys.readouterr().out
    assert printed.index("Channel  webhook") < printed.index("Channel  email") < printed.index("Subject  Hi you")
    assert {one.name for one in (folder / "shown").iterdir()} == {
        "both-hello-webhook.json",
        "both-hello-email.html",
        "both-hello-email.txt",
    }
    assert run(["preview", "both.yaml", "hello", "--json"]) == 0
    assert [one["channel"] for one in json.loads(capsys.readouterr().out)] == ["webhook", "email"]
    assert run(["preview", "both.yaml", "hello", "--json", "--channel", "email"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["channel"], found["channels"], found["template"]) == ("email", ["webhook", "email"], "hello.email")
    assert run(["preview", "both.yaml", "hello", "--channel", "mail"]) != 0
    assert "step hello of both has no channel mail. Did you mean `email`" in capsys.readouterr().err
