"""The OpenAPI document that the console is typed from; `make console` writes it.

Without examples and descriptions, so that it changes with what the API takes and gives alone.
"""

import json
from pathlib import Path
from typing import Any, Final

from api.app import create_app
from tests.api.fakes import SETTINGS

FILE: Final = Path(__file__).parents[2] / "console" / "openapi.json"
_PROSE: Final = {"description", "summary", "title", "example", "examples", "tags", "x-scope"}
# Their members are names, and so may be called as one of those.
_NAMED: Final = {"properties", "schemas", "paths"}
_PROBLEM: Final = "application/problem+json"


def describe() -> str:
    """Return the document as the file has it."""
    document = _slim(create_app(SETTINGS).openapi())
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _slim(found: Any, *, is_named: bool = False) -> Any:
    if isinstance(found, list):
        return [_slim(each) for each in found]
    if not isinstance(found, dict):
        return found
    return {
        name: _slim(each, is_named=name in _NAMED and not is_named)
        for name, each in found.items()
        if is_named or (name not in _PROSE and not (isinstance(each, dict) and _PROBLEM in each.get("content", {})))
    }


if __name__ == "__main__":
    FILE.write_text(describe())
