"""`sojourn validate` checks documents as a deployment does, without one."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.main import run
from cli.validate import NOT_CHECKED
from domain.document.yaml_source import read
from domain.document_schemas import find_document_kind
from tests.cli.conftest import Output, a_campaign
from tests.domain.campaign.test_examples import CAMPAIGNS

EXAMPLES = Path(__file__).parents[2] / "examples"
WRONG = """\
key: cart
name: Cart
entry: {evnt: Cart Abandoned}
steps:
  - {id: wait, delay: 30}
  - {id: mail, send: {channel: email, template: nudge}}
"""
TEMPLATE = """\
---
channel: email
from: a@example.com
subject: Hi {{ profil.traits.first_name }}
text: Hi
---
Hi
"""
SENDING = """\
key: {key}
name: Cart
entry: {{event: Cart Abandoned}}
steps: [{{id: mail, send: {{channel: email, template: nudge}}}}]
"""
CAPS = "rules: [{name: daily, limit: 2}]\n"


def a_file(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


@pytest.mark.usefixtures("nowhere")
def test_all_errors_of_all_files_are_told(folder: Path, capsys: Output) -> None:
    a_file(folder, "wrong.yaml", WRONG)
    a_file(folder, "templates/nudge.liquid", TEMPLATE)
    a_file(folder, "caps.yaml", CAPS)
    assert run(["validate", "wrong.yaml", "caps.yaml"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    places = [line.partition(": ")[0] for line in lines]
    assert places == ["wrong.yaml:3", "wrong.yaml:3", "wrong.yaml:5", "templates/nudge.liquid:4", "caps.yaml:1"]
    assert "entry.evnt: the key `evnt` is not known here. Did you mean `event`?" in printed.err
    assert "`per` is missing" in lines[-1]


def test_a_deployment_refuses_with_the_same_words(folder: Path, deployment: str, capsys: Output) -> None:
    a_file(folder, "wrong.yaml", WRONG)
    a_file(folder, "templates/nudge.liquid", TEMPLATE)
    a_file(folder, "caps.yaml", CAPS)
    told = []
    for command in (["validate", "wrong.yaml"], ["apply", "wrong.yaml"]):
        assert run(command) == 1
        told.append(capsys.readouterr().err)
    for command in (["validate", "caps.yaml"], ["caps", "apply", "caps.yaml"]):
        assert run(command) == 1
        told.append(capsys.readouterr().err)
    assert told[0] == told[1]
    assert told[2] == told[3]


@pytest.mark.usefixtures("nowhere")
def test_what_is_valid_is_named_with_what_a_deployment_alone_knows(folder: Path, capsys: Output) -> None:
    a_campaign(folder)
    a_file(folder, "caps.yaml", "rules: []\n")
    assert run(["validate", "abandoned-cart.yaml", "caps.yaml"]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "abandoned-cart.yaml: campaign abandoned-cart, with 0 templates",
        "caps.yaml: frequency caps, 0 rules",
        NOT_CHECKED,
    ]
    assert printed.err == ""


@pytest.mark.usefixtures("nowhere")
def test_shared_files_are_counted_beside_the_templates(folder: Path, capsys: Output) -> None:
    a_file(
        folder,
        "one.yaml",
        "key: one\nname: One\nentry: {event: Go}\nsteps: [{id: a, send: {channel: email, template: a}}]\n",
    )
    front = "---\nchannel: email\nfrom: a@example.com\nsubject: A\ntext: A\nattachments: [a.txt]\n---\n"
    a_file(folder, "templates/a.liquid", f"{front}<p>{{% render 'foot' %}}</p>")
    a_file(folder, "templates/blocks/foot.liquid", "Foot")
    a_file(folder, "templates/attachments/a.txt", "A")
    assert run(["validate", "one.yaml"]) == 0
    assert "one.yaml: campaign one, with 1 template and 2 shared files" in capsys.readouterr().out


@pytest.mark.usefixtures("nowhere")
def test_the_examples_are_valid(capsys: Output) -> None:
    assert run(["validate", str(EXAMPLES), str(EXAMPLES / "caps"), str(EXAMPLES / "computed"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {each["kind"] for each in printed["documents"]} == {"campaign", "frequency-caps", "computed"}
    assert len(printed["documents"]) == len([*CAMPAIGNS, *EXAMPLES.glob("c*/*.yaml")])


@pytest.mark.usefixtures("nowhere")
def test_the_json_has_problems_and_warnings_by_file(folder: Path, capsys: Output) -> None:
    looping = "key: a\nname: A\nentry: {event: Go}\nsteps: [{id: again, emit_event: {event: Go}}]\n"
    a_file(folder, "a.yaml", looping)
    a_file(folder, "wrong.yaml", WRONG)
    assert run(["validate", "a.yaml", "wrong.yaml", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert not printed["is_valid"]
    fine, wrong = printed["documents"]
    assert (fine["is_valid"], fine["problems"], wrong["is_valid"]) == (True, [], False)
    assert [warning["path"] for warning in fine["warnings"]] == ["steps[0].emit_event"]
    assert wrong["problems"][0].keys() == {"file", "line", "path", "message", "suggestion"}


@pytest.mark.usefixtures("nowhere")
def test_what_is_wrong_with_a_template_is_said_once_for_all_campaigns(folder: Path, capsys: Output) -> None:
    for key in ("a", "b", "c"):
        a_file(folder, f"{key}.yaml", WRONG.replace("key: cart", f"key: {key}").replace("evnt", "event"))
    a_file(folder, "templates/nudge.liquid", TEMPLATE)
    assert run(["validate", "."]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "a.yaml:5",
        "templates/nudge.liquid:4",
        "b.yaml:5",
        "c.yaml:5",
    ]
    assert "(3 campaigns: a.yaml, b.yaml, c.yaml). " in lines[1]


@pytest.mark.usefixtures("nowhere")
def test_a_warning_of_a_template_is_said_once_for_all_campaigns(folder: Path, capsys: Output) -> None:
    for number in range(7):
        a_file(folder, f"{number}.yaml", SENDING.format(key=f"k{number}"))
    a_file(folder, "templates/nudge.liquid", TEMPLATE.replace("{{ profil.traits", "{{ profile.traits"))
    assert run(["validate", "."]) == 0
    [warning] = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: templates/nudge.liquid:4: ")
    assert "(7 campaigns: 0.yaml, 1.yaml, 2.yaml, 3.yaml, 4.yaml and 2 more). " in warning


@pytest.mark.usefixtures("nowhere")
def test_a_template_is_not_a_document(folder: Path, capsys: Output) -> None:
    a_file(folder, "note.liquid", "---\nchannel: email\n---\n")
    assert run(["validate", "note.liquid"]) != 0
    said = "sojourn: note.liquid is a template: name the .yaml file of a campaign that sends it\n"
    assert capsys.readouterr().err == said


@pytest.mark.usefixtures("nowhere")
def test_two_files_have_no_key_in_common(folder: Path, capsys: Output) -> None:
    a_file(folder, "one.yaml", a_campaign(folder).read_text())
    assert run(["validate", "abandoned-cart.yaml", "one.yaml"]) == 1
    said = "`abandoned-cart` is the key of abandoned-cart.yaml as well. Give each campaign a key of its own"
    assert capsys.readouterr().err == f"one.yaml:1: key: {said}\n"


@pytest.mark.usefixtures("nowhere")
def test_what_is_no_text_costs_the_other_files_nothing(folder: Path, capsys: Output) -> None:
    (folder / "binary.yaml").write_bytes(b"key: \xff")
    a_campaign(folder)
    assert run(["validate", "binary.yaml", "abandoned-cart.yaml"]) == 1
    printed = capsys.readouterr()
    said = "the file cannot be read. binary.yaml is not UTF-8; save it as UTF-8"
    assert printed.err == f"binary.yaml:1: document: {said}\n"
    assert printed.out.startswith("abandoned-cart.yaml: campaign abandoned-cart")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("rules: []", "frequency-caps"),
        ("rules: []\nname: Cart", "campaign"),
        ("rulez: []", "campaign"),
        ("- a list", "campaign"),
        ("key: cart\nentry: {event: A}\nrules: []", "campaign"),
    ],
)
def test_the_keys_tell_the_kind(text: str, kind: str) -> None:
    document: Any = read(text, "a.yaml").data
    assert find_document_kind(document) == kind
