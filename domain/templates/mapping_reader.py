"""A mapping of a template, whose keys are read one by one, each with its place.

The keys that were asked for are those that there are: `finish` names the others.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from domain.errors import Problem
from domain.suggestions import did_you_mean
from domain.templates.front_matter import QUOTE, Field, Leaf, Tree
from domain.templates.json_template import compile_json
from domain.templates.liquid_text import SourceLocation
from domain.templates.shown_parts import (
    DataPart,
    LineText,
    LinkText,
    RichText,
    compile_line,
    compile_page_link,
    compile_rich_text,
)
from domain.tracking.css_selectors import SELECTOR_FORM, is_selector

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
NAME_FORM: Final = "Write letters, digits, - and _, at most 64"

Constant = TypeVar("Constant", bound=str)
Default = TypeVar("Default")


class MappingReader:
    """One mapping, whose faults are added to `problems`, and doubts to `warnings`."""

    def __init__(
        self, tree: Tree | None, place: SourceLocation, problems: list[Problem], warnings: list[Problem]
    ) -> None:
        self.place = place
        self._problems = problems
        self._warnings = warnings
        self._known: list[str] = []
        self._tree: Mapping[str, Tree] = {}
        self._is_mapping = isinstance(tree, dict)
        if isinstance(tree, dict):
            self._tree = tree
        else:
            self.report("this must be a mapping", "Write one key: value a line")

    def has(self, key: str) -> bool:
        """Whether the author has written the key."""
        return key in self._tree

    def report(self, message: str, suggestion: str, key: str | None = None) -> None:
        """Add a problem of the mapping, or of one of its keys."""
        self._problems.append(self.place_of(key).problem(message, suggestion))

    def warn(self, message: str, suggestion: str, key: str | None = None) -> None:
        """Add a doubt about the mapping, or one of its keys."""
        self._warnings.append(self.place_of(key).problem(message, suggestion))

    def place_of(self, key: str | None) -> SourceLocation:
        """Return the place of a key, else that of the mapping."""
        if key is None or key not in self._tree:
            return self.place
        return _place_of(self._tree[key], f"{self.place.path}.{key}", self.place)

    def read_line(self, key: str, *, is_required: bool = False) -> LineText | None:
        """Read a text in one line."""
        field = self._text(key, is_required)
        return None if field is None else compile_line(field, self._problems, is_required=is_required)

    def read_rich_text(self, key: str, *, is_required: bool = False) -> RichText | None:
        """Read a text in Markdown."""
        field = self._text(key, is_required)
        if field is None:
            return None
        return compile_rich_text(field, self._problems, self._warnings, is_required=is_required)

    def read_link(self, key: str, *, is_required: bool = False) -> LinkText | None:
        """Read the target of a link."""
        field = self._text(key, is_required)
        return None if field is None else compile_page_link(field, self._problems)

    def read_data(self, key: str, *, is_required: bool = False) -> DataPart | None:
        """Read a mapping of the author's own."""
        tree = self._take(key, is_required)
        if tree is None:
            return None
        if not isinstance(tree, dict):
            self.report(f"'{key}' must be a mapping", "Write one name: value a line", key)
            return None
        return DataPart(compile_json(tree, self._problems))

    def read_constant(self, key: str, *, is_required: bool = False) -> str | None:
        """Read a text without Liquid."""
        field = self._text(key, is_required)
        if field is None:
            return None
        if "{{" in field.value or "{%" in field.value:
            self.report(f"'{key}' must be constant", "Write it without Liquid", key)
            return None
        return field.value.strip()

    def read_name(self, key: str, *, is_required: bool = False) -> str | None:
        """Read a name, as of an action or a question."""
        written = self.read_constant(key, is_required=is_required)
        if written is not None and not NAME.fullmatch(written):
            self.report(f"'{written[:60]}' is not a name", NAME_FORM, key)
            return None
        return written

    def read_choice(self, key: str, allowed: Sequence[Constant], default: Default) -> Constant | Default:
        """Read one of several words."""
        written = self.read_constant(key)
        for one in allowed:
            if one == written:
                return one
        if written is not None:
            self.report(f"there is no {key} '{written[:60]}'", did_you_mean(written, allowed, "Write one of"), key)
        return default

    def read_flag(self, key: str, default: bool) -> bool:
        """Read true or false."""
        tree = self._take(key)
        if tree is None:
            return default
        if isinstance(tree, Leaf) and isinstance(tree.value, bool):
            return tree.value
        self.report(f"'{key}' must be true or false", f"Write {key}: true", key)
        return default

    def read_number(self, key: str, lowest: int, highest: int, *, is_required: bool = False) -> int | None:
        """Read a whole number within bounds."""
        tree = self._take(key, is_required)
        if tree is None:
            return None
        value = tree.value if isinstance(tree, Leaf) else None
        if type(value) is int and lowest <= value <= highest:
            return value
        self.report(f"'{key}' must be a whole number from {lowest} to {highest}", f"Write {key}: {lowest}", key)
        return None

    def read_selector(self, key: str, *, is_required: bool = False) -> str | None:
        """Read a selector of CSS."""
        written = self.read_constant(key, is_required=is_required)
        if written is not None and not is_selector(written):
            self.report(f"'{written[:60]}' is not a selector of CSS", SELECTOR_FORM, key)
            return None
        return written

    def read_mapping(self, key: str) -> "MappingReader | None":
        """Read a mapping; None if it is not there."""
        tree = self._take(key)
        return None if tree is None else self._reader(tree, f"{self.place.path}.{key}")

    def read_items(self, key: str, most: int, *, is_required: bool = False) -> list["MappingReader"]:
        """Read a list of mappings."""
        tree = self._take(key, is_required)
        if tree is None:
            return []
        if not isinstance(tree, list) or not tree:
            self.report(f"'{key}' must be a list", f"Write one `- ` for each below {key}:", key)
            return []
        if len(tree) > most:
            self.report(f"'{key}' has {len(tree)} entries", f"Write at most {most}", key)
        path = f"{self.place.path}.{key}"
        return [self._reader(item, f"{path}[{number}]") for number, item in enumerate(tree[:most])]

    def read_values(self, key: str, most: int) -> list[Any] | None:
        """Read a list of constants; None if it is not there."""
        tree = self._take(key)
        if tree is None:
            return None
        leaves = [item.value for item in tree if isinstance(item, Leaf)] if isinstance(tree, list) else []
        if not isinstance(tree, list) or len(leaves) != len(tree) or not 0 < len(leaves) <= most:
            self.report(f"'{key}' must be a list of at most {most} values", f"Write {key}: [a, b]", key)
            return []
        return leaves

    @property
    def known(self) -> set[str]:
        """The keys that were asked for."""
        return set(self._known)

    def list_keys(self) -> list[str]:
        """Return the keys that the author has written."""
        return list(self._tree)

    def finish(self) -> None:
        """Report the keys that were not read."""
        for key in self._tree:
            if key not in self._known:
                self.report(f"there is no key '{key}'", did_you_mean(key, self._known, "Keys"), key)

    def _take(self, key: str, is_required: bool = False) -> Tree | None:
        if key not in self._known:
            self._known.append(key)
        if is_required and self._is_mapping and key not in self._tree:
            self.report(f"'{key}' is missing", f"Add {key}: …")
        return self._tree.get(key)

    def _text(self, key: str, is_required: bool = False) -> Field | None:
        tree = self._take(key, is_required)
        if tree is None:
            return None
        if isinstance(tree, Leaf) and isinstance(tree.value, str):
            return Field(tree.value, tree.place)
        self.report(f"'{key}' must be a text", QUOTE, key)
        return None

    def _reader(self, tree: Tree, path: str) -> "MappingReader":
        return MappingReader(tree, _place_of(tree, path, self.place), self._problems, self._warnings)


def _place_of(tree: Tree, path: str, around: SourceLocation) -> SourceLocation:
    """Return the place of a subtree: the line of its first scalar."""
    while not isinstance(tree, Leaf):
        inner = list(tree.values()) if isinstance(tree, dict) else tree
        if not inner:
            return SourceLocation(around.file, around.line, path)
        tree = inner[0]
    return SourceLocation(tree.place.file, tree.place.line, path)
