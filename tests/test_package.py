"""An installed package has all files of the product. In the repository itself a missing one would not show."""

import tomllib
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}
# It has no module, and of its files the built ones alone are installed.
BUILT = "console"


def test_every_module_beside_the_packages_is_installed() -> None:
    assert BUILD["py-modules"] == sorted(path.stem for path in ROOT.glob("*.py"))


def test_the_image_is_built_of_all_that_is_installed() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in lines if line.startswith("!")}
    modules = {f"{module}.py" for module in BUILD["py-modules"]}
    # The API carries the documents, by a link to their folder.
    documents = {"docs", "README.md", "pyproject.toml", "requirements-runtime.lock"}
    assert kept == {*modules, *PACKAGES, f"{BUILT}/dist", *documents}


def test_every_package_is_installed() -> None:
    patterns = BUILD["packages"]["find"]["include"]
    assert sorted(patterns) == sorted([BUILT, *(f"{package}*" for package in PACKAGES)])


def test_every_file_beside_the_modules_is_installed() -> None:
    data = BUILD["package-data"]
    assert data[BUILT] == ["dist/**"]
    missed = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
        if not any(fnmatch(path.relative_to(ROOT / package).as_posix(), pattern) for pattern in data.get(package, ()))
    ]
    assert missed == []
