"""Names and sentences follow the language rules, and a public type name means one thing."""

import ast
import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import pytest

from runtime.embedded import feed
from tests import prose
from tests.prose import Module

# The models of the API, which may stand beside the row or the view that they show.
MODELS = {"RequestModel", "ResponseModel", "PeopleAnswer"}


class TypeName(NamedTuple):
    """A public class or type alias of a module, with the members of a class."""

    name: str
    is_model: bool
    members: frozenset[str]


def type_names(tree: ast.Module) -> Iterator[TypeName]:
    """The public types of a module; the members of its own bases count as theirs."""
    models = set(MODELS)
    members: dict[str, frozenset[str]] = {}
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name, bases=bases, body=body):
                parents = {base.id for base in bases if isinstance(base, ast.Name)}
                if is_model := not models.isdisjoint(parents):
                    models.add(name)
                inherited = frozenset().union(*(members.get(parent, ()) for parent in parents))
                members[name] = inherited | set(member_names(body))
                yield TypeName(name, is_model, members[name])
            case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
                yield TypeName(name, False, frozenset())


def member_names(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.FunctionDef(name=name) if not name.startswith("_"):
                yield name


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    return prose.read_modules()


def repeated(modules: Iterable[Module]) -> dict[str, list[str]]:
    """The names that several modules define, by name.

    A model of the API counts against other models, and against a type that it cannot show: they share no member.
    """
    places: dict[tuple[str, bool], list[str]] = defaultdict(list)
    members: dict[tuple[str, bool], frozenset[str]] = {}
    for module in modules:
        for name, is_model, fields in type_names(module.tree):
            if not name.startswith("_"):
                places[name, is_model].append(module.file)
                members[name, is_model] = fields
    found = {name: files for (name, _), files in places.items() if len(files) > 1}
    for name in {name for name, is_model in places if is_model and (name, False) in places}:
        if members[name, True].isdisjoint(members[name, False]):
            found[name] = [*places[name, True], *places[name, False]]
    return found


def test_no_public_type_name_is_defined_twice(modules: list[Module]) -> None:
    assert len(modules) > 300
    assert repeated(modules) == {}


def test_a_name_that_is_defined_twice_is_found() -> None:
    sources = {
        "store/a.py": "class Row:\n    id: int\nAnswer = int\n_Answer = int\nLIMIT = 1\nclass View:\n    id: int\n",
        "domain/b.py": "class Answer: ...\nclass _Answer: ...\nLIMIT = 2\n",
        "api/a.py": "class Page(ResponseModel):\n    id: int\nclass Row(Page): ...\n",
        "api/b.py": "class Page(ResponseModel): ...\nclass View(ResponseModel):\n    text: str\n",
    }
    found = repeated(itertools.starmap(prose.parse, sources.items()))
    assert found == {
        "Answer": ["store/a.py", "domain/b.py"],
        "Page": ["api/a.py", "api/b.py"],
        "View": ["api/b.py", "store/a.py"],
    }


def test_no_sentence_is_inverted_or_obscure(modules: list[Module]) -> None:
    assert prose.list_offences(modules) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Of one whose fate is open a relay has the start.", ["Of"]),
        ("Return the row. What it says, holds.", ["What"]),
        ("It promises:\n- **That** a message arrives", ["That"]),
        ("| What | who |", ["What"]),
        ("Caps.\n\n## What a cap counts", ["What"]),
        ("While it waits, nobody is added; one looks again.", ["nobody", "one looks"]),
        ("Whatever departs is kept. The person whom it names.", ["Whatever", "whom"]),
        ("`x` is no trait. There is no such row: it is no longer there.", ["is no"]),
        ("Return what the row says. None of these: that is rare.", []),
    ],
)
def test_an_inverted_or_obscure_sentence_is_found(text: str, words: list[str]) -> None:
    assert [found for _, found in prose.find_offences(text)] == words


def test_the_comments_of_the_script_are_read_too() -> None:
    source = (
        'const at = "https://a.example" // What is left out.\n\n'
        "// One line,\n// and another.\n  /** That of\n   * a block. */\n"
    )
    assert list(prose.script_comments(source)) == [
        (1, "What is left out."),
        (3, "One line,\nand another."),
        (5, "That of\na block."),
    ]


def test_the_texts_of_the_console_are_read_too() -> None:
    source = (
        "// It begins.\nexport const Empty = () => (\n"
        '  <p className="soft small">\n    Nobody fits {count} of\n    them.\n  </p>\n'
        ")\nconst TITLE = `Stop ${name}`\nconst isFew = count < most && rest > 0\n"
    )
    assert list(prose.elements(source)) == [(3, "soft small"), (3, "Nobody fits"), (4, "of them."), (8, "Stop ${name}")]


def test_every_docstring_begins_with_a_short_summary(modules: list[Module]) -> None:
    assert breaches(modules, prose.list_summaries) == []
    long = f'"""{"x" * 80}."""\n"""Not a docstring, however long it is' + " so" * 30 + '."""'
    assert [line for line, _ in prose.list_summaries(ast.parse(long))] == [1]
    unended = ast.parse('def a():\n    """Add"""\ndef b():\n    """Add."""')
    assert [line for line, _ in prose.list_summaries(unended)] == [2]


def test_functions_are_verbs_and_limits_begin_with_max(modules: list[Module]) -> None:
    assert breaches(modules, prose.list_names) == []
    wrong = "def told(): ...\ndef _of_row(): ...\nclass A:\n    async def why(self): ...\n"
    wrong += "LONGEST_PAUSE = 5\nTIMEOUT_OF_ALL = 5\n"
    names = {name for _, name in prose.list_names(ast.parse(wrong))}
    assert names == {"LONGEST_PAUSE", "TIMEOUT_OF_ALL", "_of_row", "told", "why"}
    right = "def stored_event(): ...\ndef find(): ...\nMAX_PAUSE = CALL_TIMEOUT = 5\nSTOP_SECONDS = 1\n"
    assert list(prose.list_names(ast.parse(right))) == []


def test_no_module_or_type_is_a_bare_gerund(modules: list[Module]) -> None:
    assert prose.list_gerunds(modules) == []
    source = "class Giving: ...\nclass Rendering: ...\nTaking = Callable[[], int]\nSTRING = 1\n"
    wrong = prose.parse("domain/asking.py", source)
    right = prose.parse("domain/link_tracking.py", "class GiveResult: ...\nclass LinkRewriting: ...\n")
    expected = ["domain/asking.py", "domain/asking.py: Giving", "domain/asking.py: Taking"]
    assert prose.list_gerunds([wrong, right]) == expected


def test_every_log_event_can_be_searched_for(modules: list[Module]) -> None:
    events = {
        f"{module.file}:{line}: {event}": is_known
        for module in modules
        for line, event, is_known in prose.list_log_events(module.tree)
    }
    assert len(events) > 20
    # The feed logs what the timeline records.
    assert [event for event, is_known in events.items() if not is_known and not event.endswith(": line.event")] == []
    assert all(map(prose.is_log_event, feed._EVENTS.values()))


@pytest.mark.parametrize(
    ("event", "is_known"),
    [
        ("failed to load version", True),
        ("worker started", True),
        ("exit sent", True),
        ("failed to load", False),
        ("relay waits", False),
        ("started", False),
        ("a version cannot be had", False),
    ],
)
def test_a_log_event_without_a_form_is_found(event: str, is_known: bool) -> None:
    [found] = prose.list_log_events(ast.parse(f"log.warning({event!r}, error=1)"))
    assert found[1:] == (repr(event), is_known)


def breaches(modules: list[Module], check: Callable[[ast.Module], Iterator[tuple[int, str]]]) -> list[str]:
    return [f"{module.file}:{line}: {found}" for module in modules for line, found in check(module.tree)]
