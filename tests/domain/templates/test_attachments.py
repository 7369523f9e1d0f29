"""Attachments of templates: which files, in which form, and which are refused."""

from typing import Any

import pytest

from domain.sending.attachment import MAX_ATTACHED_BYTES, MAX_FILE_BYTES, Attachment, StoredFile, write_pointer
from domain.templates.attachments import MAX_ATTACHMENTS
from domain.templates.template_sets import TemplateRenderError, load
from tests.domain.templates.sources import email, variables

HASH = "ab" * 32
TERMS = {"attachments/terms.pdf": write_pointer(HASH, 1000)}


def attaching(names: str) -> str:
    return email().replace("---\n<p>", f"attachments: {names}\n---\n<p>")


def faults(names: str, **files: str) -> list[str]:
    return list(map(str, load({"t.liquid": attaching(names), **TERMS, **files})[1]))


def rendered(name: str, text: str, **properties: Any) -> Attachment:
    sets, problems = load({"t.liquid": attaching(f"[{name}]"), f"attachments/{name}.liquid": text})
    assert problems == []
    [file] = sets["t"].render(variables(**properties), None)["attachments"]
    assert isinstance(file, Attachment)
    return file


def test_a_file_is_named_by_its_hash() -> None:
    sets, problems = load({"t.liquid": attaching("[terms.pdf]"), **TERMS})
    assert problems == []
    assert sets["t"].render(variables(), None)["attachments"] == [
        StoredFile("terms.pdf", "application/pdf", HASH, 1000)
    ]
    assert sets["t"].shared == TERMS.keys()


def test_a_mail_without_attachments_has_none() -> None:
    sets, _ = load({"t.liquid": email(), **TERMS})
    assert "attachments" not in sets["t"].render(variables(), None)
    assert sets["t"].shared == frozenset()


def test_a_text_is_rendered_for_each_message() -> None:
    file = rendered("code.txt", "Code {{ entry.properties.code }} & more", code="<1>")
    assert (file.media_type, file.data) == ('text/plain; charset="utf-8"', b"Code <1> & more")


def test_a_value_cannot_leave_its_property_of_a_calendar() -> None:
    calendar = "BEGIN:VEVENT\nSUMMARY:{{ entry.properties.title }}\n\nEND:VEVENT\n"
    title = "A, b; c\\ \r\nATTENDEE:mailto:x@evil.example\u2028\x85\x0bX:" + "ü" * 70
    lines = rendered("invite.ics", calendar, title=title).data.decode().split("\r\n")
    assert lines[0] == "BEGIN:VEVENT"
    assert lines[-2:] == ["END:VEVENT", ""]
    assert all(line.startswith(" ") for line in lines[2:-2])
    assert all(len(line.encode()) <= 75 for line in lines)
    unfolded = lines[1] + "".join(line[1:] for line in lines[2:-2])
    assert unfolded.startswith("SUMMARY:A\\, b\\; c\\\\ \\nATTENDEE:mailto:x@evil.example")
    assert unfolded.endswith("X:" + "ü" * 70)


def test_an_invitation_says_its_method() -> None:
    file = rendered("invite.ics", "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n")
    assert file.media_type == 'text/calendar; charset="utf-8"; method=REQUEST'
    assert rendered("a.ics", "BEGIN:VCALENDAR\n").media_type == 'text/calendar; charset="utf-8"'


def test_a_missing_value_fails_in_the_file() -> None:
    with pytest.raises(TemplateRenderError, match=r"attachments/a\.txt\.liquid:2: attachment: .* has no value"):
        rendered("a.txt", "\n{{ entry.properties.code }}")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("terms.pdf", "t.liquid:6: attachments: 'attachments' must be a list of files."),
        ("{a: terms.pdf}", "t.liquid:6: attachments: attachments are a list of files."),
        ("[]", "t.liquid:6: attachments: attachments are a list of files."),
        ("[1]", "t.liquid:6: attachments: attachments are a list of files."),
        ("[term.pdf]", "t.liquid:6: attachments[0]: there is no file `term.pdf`. Did you mean `terms.pdf`?"),
        ("[terms.pdf, terms.pdf]", "t.liquid:6: attachments[1]: `terms.pdf` is attached twice."),
        ("[run.exe]", "t.liquid:6: attachments[0]: no file that ends in .exe is attached."),
        ("[../terms.pdf]", "t.liquid:6: attachments[0]: '../terms.pdf' cannot name a file."),
        ("['terms\".pdf']", "t.liquid:6: attachments[0]: 'terms\".pdf' cannot name a file."),
    ],
)
def test_a_fault_is_refused_with_its_place(names: str, said: str) -> None:
    [found] = faults(names)
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("terms.pdf", "%PDF-1.7", "attachments/terms.pdf:1: attachment: this does not name a stored file."),
        (
            "terms.pdf",
            write_pointer(HASH, MAX_FILE_BYTES + 1),
            "attachments/terms.pdf:1: attachment: the file is larger",
        ),
        ("a.pdf.liquid", "x", "attachments/a.pdf.liquid:1: attachment: a file that ends in .pdf is not rendered."),
        ("a.txt.liquid", "\n{{ x | y }}", "attachments/a.txt.liquid:2: attachment: there is no filter 'y'."),
    ],
)
def test_a_file_that_cannot_be_attached_is_refused(file: str, text: str, said: str) -> None:
    assert any(
        found.startswith(said) for found in faults(f"[{file.removesuffix('.liquid')}]", **{f"attachments/{file}": text})
    )


def test_all_attachments_together_are_bounded() -> None:
    files = {f"attachments/f{n}.pdf": write_pointer(HASH, MAX_FILE_BYTES) for n in range(2)}
    [found] = faults("[f0.pdf, f1.pdf]", **files)
    assert f"the attachments have more than {MAX_ATTACHED_BYTES // 1024**2} MB" in found
    many = {f"attachments/f{n}.pdf": write_pointer(HASH, 1) for n in range(MAX_ATTACHMENTS + 1)}
    [found] = faults(f"[{', '.join(name.rpartition('/')[2] for name in many)}]", **many)
    assert f"there are more than {MAX_ATTACHMENTS} attachments" in found
