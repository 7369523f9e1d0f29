"""docs/extending.md is true: its files make the kinds, a page shows one, its commands pass, its figures add up."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from api.page_scripts import PageScripts
from tests.api.live import api_process
from tests.api.shop import open_shop
from tests.clients.devtools import devtools
from tests.clients.node_tools import PACKAGE, run_node
from tests.clients.page_world import World, click, until_sent, until_shown
from tests.clients.shop_front import open_front
from tests.databases import database_of
from tests.docs.tables import rows
from tests.servers import PostgresServer

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^```(?:python|yaml|liquid|ts) ([\w/.]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
ADDED = dict(re.findall(r"^```(?:python|ts) add ([\w/.]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^```sh\n(.*)\n```$", PAGE, re.MULTILINE)
# The first list of a module, which is its registry.
_REGISTRY = re.compile(r"^(?:[A-Z_]+\b[^\n]* = [(\[]|export const views\b[^\n]* = \{)\n(?:[ \n].*\n)*", re.MULTILINE)

_IMPORT = re.compile(r"^(?:from|import) .*\n", re.MULTILINE)


def add(source: str, lines: str) -> str:
    """A module with further imports, and further lines at the end of its first list."""
    imports = "".join(_IMPORT.findall(lines))
    entry = _IMPORT.sub("", lines)
    begin, registry = _IMPORT.search(source), _REGISTRY.search(source)
    assert begin is not None
    assert registry is not None
    first, end = begin.start(), registry.end()
    return source[:first] + imports + source[first:end] + entry + source[end:]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree by links, with the files of the page and its added lines."""

    def ignore(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name.startswith(".") or name in ("node_modules", "__pycache__")}

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


@pytest.mark.takes_long
async def test_a_page_shows_the_kind(tree: Path, postgres: PostgresServer, migrated: str, tmp_path: Path) -> None:
    _build_scripts(tree, tmp_path / "built")
    async with (
        database_of(postgres, migrated) as url,
        open_shop(url) as shop,
        api_process(url, tree=tree, rate_limit_address=0) as api,
        devtools(tmp_path / "browser") as tools,
        httpx.AsyncClient() as http,
    ):
        scripts = PageScripts.model_validate((await http.get(f"{api.url}/v1/scripts")).json())
        with open_front(api.url, scripts) as front:
            shop.key = await shop.create_key(name="front", origins=[front.url])
            visitor = await World(shop, front, tools).person()
            await visitor.put("ribbon", title="Alarm 7", url="/alarms")
            page = await visitor.open()
            await until_shown(page, "ribbon")
            await until_sent(page, "shown")
            await click(page, "ribbon", "a")
            await page.until("location.pathname === '/alarms'")
            assert front.violations == []


def _build_scripts(tree: Path, built: Path) -> None:
    """Build the scripts of the tree, as `make browser` does, and check their types."""
    browser, scripts = tree / "browser", tree / "api" / "scripts"
    (browser / "node_modules").symlink_to(PACKAGE / "node_modules")
    run_node("node_modules/typescript/bin/tsc", "--project", ".", folder=browser)
    run_node("--preserve-symlinks-main", "build.mjs", str(built), folder=browser)
    for file in built.iterdir():
        (scripts / file.name).unlink()
        shutil.copyfile(file, scripts / file.name)


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
