"""docs/tutorial.md is true: a reader gets its mails, and sees what it shows."""

import re
from pathlib import Path
from time import monotonic

import pytest

from tests.docs.reader import Output, Reader, reading
from tests.harness import PATIENCE

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
# What a reader does, in the order of the page: shell lines, files to save, texts that are shown, and replacements.
PARTS = re.compile(
    r"^```(?P<kind>sh|text|(?:yaml|liquid) (?P<file>\S+))\n(?P<block>.*?)^```$"
    r"|In `(?P<changed>\S+)`, replace `(?P<before>[^`]+)` by `(?P<after>[^`]+)`",
    re.MULTILINE | re.DOTALL,
)
TIME = re.compile(r"(\d{4}-\d\d-\d\d )?\b\d\d:\d\d(:\d\d)?\b")


@pytest.mark.takes_long
async def test_it_leads_to_the_mails_that_it_promises(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with reading(tmp_path, capsys, monkeypatch) as reader:
        await _follow(reader)
        subjects = [str(mail.message["Subject"]) for mail in reader.inbox.messages]
    promised = re.findall(r"^\*(.+?)\* is in the inbox\.", PAGE, re.MULTILINE)
    assert len(promised) == 3
    assert [subject for subject in subjects if subject != "Your first project"] == promised


async def _follow(reader: Reader) -> None:
    last, seen = "", ""
    for part in PARTS.finditer(PAGE):
        match part["kind"]:
            case "sh":
                lines = part["block"].splitlines()
                printed = [await reader.type(line) for line in lines if line != "make dev"]
                last, seen = lines[-1], "\n".join(printed)
                if lines[-1].startswith("sojourn explain"):
                    times = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", printed[-1], re.MULTILINE)
                    assert times == sorted(times)
                if any("Signed Up" in line for line in lines):
                    await reader.inbox.wait_for(1, timeout=PATIENCE)
            case "text":
                if last.startswith("sojourn explain"):
                    seen = await _look_until(reader, last, part["block"])
                assert _lines(part["block"]) <= _lines(seen), seen
            case None:
                file = reader.folder / part["changed"]
                assert part["before"] in file.read_text()
                file.write_text(file.read_text().replace(part["before"], part["after"]))
            case _:
                (reader.folder / part["file"]).write_text(part["block"])


async def _look_until(reader: Reader, line: str, block: str) -> str:
    """A mail is in the inbox a moment before it counts as sent: look again, as a reader would."""
    seen, give_up_at = await reader.type(line), monotonic() + PATIENCE
    while not _lines(block) <= _lines(seen) and monotonic() < give_up_at:
        seen = await reader.type(line)
    return seen


def _lines(text: str) -> set[str]:
    return {_without_times(line) for line in text.splitlines()}


def _without_times(line: str) -> str:
    return " ".join(TIME.sub("TIME", line).split())


@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_an_answer_leaves_the_prompt_on_a_line_of_its_own(page: str) -> None:
    lines = re.findall(r"^curl .*", (ROOT / page).read_text(), re.MULTILINE)
    assert lines
    assert all(line.startswith("curl -w '\\n' ") for line in lines)


def test_its_first_command_is_a_target() -> None:
    assert re.search(r"^dev:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert PAGE.partition("```sh\n")[2].startswith("make dev\n")
