"""docs/extending.md is true: its files make the kinds, its commands pass in a copy of the tree, its figures add up."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.tables import rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^```(?:python|yaml|liquid) ([\w/.]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
ADDED = dict(re.findall(r"^```python add ([\w/.]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\n(.*)\n```$", PAGE, re.MULTILINE)
# The first list of a module, which is its registry.
_REGISTRY = re.compile(r"^[A-Z_]+\b[^\n]* = [(\[]\n(?:[ \n].*\n)*", re.MULTILINE)


def add(source: str, lines: str) -> str:
    """A module with further imports, and further lines at the end of its first list."""
    imports = "".join(re.findall(r"^from .*\n", lines, re.MULTILINE))
    entry = re.sub(r"^from .*\n", "", lines, flags=re.MULTILINE)
    begin, registry = re.search(r"^(?:from|import) ", source, re.MULTILINE), _REGISTRY.search(source)
    assert begin is not None
    assert registry is not None
    first, end = begin.start(), registry.end()
    return source[:first] + imports + source[first:end] + entry + source[end:]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree by links, with the files of the page and its added lines."""

    def ignore(folder: str, names: list[str]) -> Iterator[str]:
        return (name for name in names if name.startswith(".") or name in ("node_modules", "__pycache__"))

    copy = tmp_path / "sojourn"
    shutil.copytree(ROOT, copy, ignore=ignore, copy_function=lambda source, to: Path(to).symlink_to(source))
    for name, text in FILES.items():
        file = copy / name
        assert not file.exists(), f"{name} is there already"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    for name, lines in ADDED.items():
        changed = add((ROOT / name).read_text(), lines)
        (copy / name).unlink()
        (copy / name).write_text(changed)
    return copy


def test_the_commands_pass(tree: Path) -> None:
    assert len(COMMANDS) == 2
    for line in COMMANDS:
        python, *arguments = shlex.split(line)
        assert python == "python"
        ran = subprocess.run([sys.executable, *arguments], cwd=tree, capture_output=True, text=True, timeout=120)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "skipped" not in ran.stdout


def test_every_block_is_a_file_or_a_command() -> None:
    assert PAGE.count("```") == 2 * (len(FILES) + len(ADDED) + len(COMMANDS))


def test_it_took_as_much_as_the_page_says() -> None:
    told = {what: tuple(map(int, figures)) for what, *figures in rows(PAGE, "## Figures")}
    sections = {"a channel": ["A channel"], "a provider with its contract test": ["A provider", "The contract test"]}
    sections |= {"an in-app kind": ["An in-app kind"], "a step": ["A step"], "a delay": ["A delay"]}
    counted = {}
    for what, headings in sections.items():
        text = "".join(PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] for heading in headings)
        made = [name for name in FILES if f" {name}\n" in text]
        changed = [name for name in ADDED if f" add {name}\n" in text]
        blocks = [*(FILES[name] for name in made), *(ADDED[name] for name in changed)]
        lines = sum(bool(line.strip()) for block in blocks for line in block.splitlines())
        counted[what] = (len(made), len(changed), lines)
    assert counted == told
