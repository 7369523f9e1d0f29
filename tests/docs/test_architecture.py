"""The architecture pictures are those that their source draws."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "architecture"


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_picture_is_drawn_by_its_source(name: str) -> None:
    source = runpy.run_path(str(FOLDER / "draw.py"))
    drawn = source["draw"](source[name.upper()])
    assert (FOLDER / f"{name}.svg").read_text() == drawn, "run `python docs/architecture/draw.py`"
