"""A public type name means one thing in the whole product."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("activities", "api", "application", "channels", "cli", "domain", "runtime", "store", "workflows")
FILES = [*sorted(file for name in PACKAGES for file in (ROOT / name).rglob("*.py")), *sorted(ROOT.glob("*.py"))]
# The models of the API, which may stand beside the row or the view that they show.
MODELS = {"RequestModel", "ResponseModel"}


def type_names(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """The public classes and type aliases of a module, each with whether it is a model of the API."""
    models = set(MODELS)
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name, bases=bases):
                if is_model := any(isinstance(base, ast.Name) and base.id in models for base in bases):
                    models.add(name)
                yield name, is_model
            case ast.Assign(targets=[ast.Name(id=name)]) if name[0].isupper() and not name.isupper():
                yield name, False


def repeated(sources: dict[str, str]) -> dict[str, list[str]]:
    """The names that several modules define, by name; a model of the API counts against other models alone."""
    places: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for place, source in sources.items():
        for name, is_model in type_names(ast.parse(source)):
            if not name.startswith("_"):
                places[name, is_model].append(place)
    return {name: found for (name, _), found in places.items() if len(found) > 1}


def test_no_public_type_name_is_defined_twice() -> None:
    sources = {str(file.relative_to(ROOT)): file.read_text() for file in FILES}
    assert len(sources) > 300
    assert repeated(sources) == {}


def test_a_name_that_is_defined_twice_is_found() -> None:
    sources = {
        "store/a.py": "class Row: ...\nAnswer = int\n_Answer = int\nLIMIT = 1\n",
        "domain/b.py": "class Answer: ...\nclass _Answer: ...\nLIMIT = 2\n",
        "api/a.py": "class Page(ResponseModel): ...\nclass Row(Page): ...\n",
        "api/b.py": "class Page(ResponseModel): ...\n",
    }
    assert repeated(sources) == {"Answer": ["store/a.py", "domain/b.py"], "Page": ["api/a.py", "api/b.py"]}
