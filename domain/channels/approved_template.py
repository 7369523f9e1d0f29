"""Templates that a messenger has approved: their names, and their values."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from domain.errors import Problem
from domain.templates.front_matter import Field, Leaf, Tree
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation, TemplateRenderError, compile_liquid

MAX_VARIABLES: Final = 50
# https://developers.facebook.com/docs/whatsapp/business-management-api/message-templates/components
MAX_BUTTONS: Final = 10
MAX_VALUE_CHARACTERS: Final = 1_024
HEADERS: Final = ("text", "image", "video", "document")
BUTTONS: Final = ("url", "payload")
TEMPLATE_KEYS: Final = frozenset({"name", "language", "variables", "header", "buttons"})

_NAME: Final = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_CONTENT_SID: Final = re.compile(r"HX[0-9a-fA-F]{32}")
_VARIABLE: Final = re.compile(r"[a-z][a-z0-9_]{0,59}|[1-9][0-9]?")
_WEB: Final = re.compile(r"https://[^\s/]+(/\S*)?")
_BY_SID: Final = frozenset({"content_sid", "variables"})
_FORM: Final = "Write {name: cart_reminder, language: en_US}, or at Twilio {content_sid: HX…}"


@dataclass(frozen=True, slots=True)
class Button:
    """A value of the button at an index: the rest of its URL, or what its reply says."""

    index: int
    kind: str
    value: LiquidText


@dataclass(frozen=True, slots=True)
class ApprovedTemplate:
    """An approved template in one language, and its values.

    `identity` is its name and its language, or its `content_sid` at Twilio.
    """

    identity: Mapping[str, str]
    variables: Mapping[str, LiquidText]
    header: tuple[str, LiquidText] | None
    buttons: tuple[Button, ...]

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return {template}, without the parts that it lacks. Raises TemplateRenderError."""
        template: dict[str, Any] = dict(self.identity)
        if self.variables:
            template["variables"] = {name: _one_line(text, rendering) for name, text in self.variables.items()}
        if self.header is not None:
            kind, text = self.header
            template["header"] = {kind: _one_line(text, rendering)}
            if kind != "text" and not _WEB.fullmatch(template["header"][kind]):
                raise TemplateRenderError(text.place, f"the {kind} is not an https URL for this user")
        if self.buttons:
            template["buttons"] = [
                {"index": one.index, one.kind: _one_line(one.value, rendering)} for one in self.buttons
            ]
        return {"template": template}

    def texts(self) -> Iterator[LiquidText]:
        yield from self.variables.values()
        if self.header is not None:
            yield self.header[1]
        yield from (button.value for button in self.buttons)


def compile_approved(field: Field, problems: list[Problem]) -> ApprovedTemplate | None:
    """Compile the key `template`, or return None with `problems`."""
    before = len(problems)
    tree = field.tree if isinstance(field.tree, dict) else {}
    known = _BY_SID if "content_sid" in tree else TEMPLATE_KEYS
    problems += [
        field.place.problem(f"the template has no key '{key}'", f"Keys: {', '.join(sorted(known))}")
        for key in sorted(tree.keys() - known)
    ]
    patterns = {"content_sid": _CONTENT_SID} if "content_sid" in tree else {"name": _NAME, "language": _LANGUAGE}
    identity: dict[str, str] = {}
    for key, pattern in patterns.items():
        leaf = tree.get(key)
        if isinstance(leaf, Leaf) and isinstance(leaf.value, str) and pattern.fullmatch(leaf.value):
            identity[key] = leaf.value
        else:
            place = leaf.place if isinstance(leaf, Leaf) else field.place
            problems.append(place.problem(f"the template lacks a valid `{key}`", _FORM))
    variables = _compile_variables(tree.get("variables"), field.place, problems)
    header = _compile_header(tree.get("header"), field.place, problems)
    buttons = _compile_buttons(tree.get("buttons"), field.place, problems)
    return None if len(problems) > before else ApprovedTemplate(identity, variables, header, buttons)


def _compile_variables(tree: Tree | None, place: SourceLocation, problems: list[Problem]) -> dict[str, LiquidText]:
    if isinstance(tree, list):
        tree = {str(number): value for number, value in enumerate(tree, 1)}
    if tree is None:
        return {}
    if not isinstance(tree, dict) or len(tree) > MAX_VARIABLES:
        said = f"`variables` is a list of up to {MAX_VARIABLES} texts, or a mapping by their names"
        problems.append(place.problem(said, 'Write variables: ["{{ profile.traits.first_name }}"]'))
        return {}
    for name in tree:
        if not _VARIABLE.fullmatch(name):
            said = f"'{name}' is not the name of a variable"
            problems.append(place.problem(said, "Use small letters, digits and _, or numbers from 1"))
    compiled = {name: _compile(value, place, problems) for name, value in tree.items()}
    return {name: text for name, text in compiled.items() if text is not None}


def _compile_header(tree: Tree | None, place: SourceLocation, problems: list[Problem]) -> tuple[str, LiquidText] | None:
    if tree is None:
        return None
    if not isinstance(tree, dict) or len(tree) != 1 or (kind := next(iter(tree))) not in HEADERS:
        said = f"a header has one of {', '.join(HEADERS)}"
        problems.append(place.problem(said, "Write header: {image: https://example.com/cart.png}"))
        return None
    text = _compile(tree[kind], place, problems)
    return None if text is None else (kind, text)


def _compile_buttons(tree: Tree | None, place: SourceLocation, problems: list[Problem]) -> tuple[Button, ...]:
    form = "Write one `- {index: 0, url: …}` or `- {index: 0, payload: …}` a line: the first button is 0"
    if tree is None:
        return ()
    if not isinstance(tree, list) or len(tree) > MAX_BUTTONS:
        problems.append(place.problem(f"`buttons` is a list of up to {MAX_BUTTONS}", form))
        return ()
    compiled: list[Button] = []
    for item in tree:
        index = item.get("index") if isinstance(item, dict) else None
        kinds = sorted(item.keys() - {"index"}) if isinstance(item, dict) else []
        if (
            not isinstance(item, dict)
            or not isinstance(index, Leaf)
            or type(index.value) is not int
            or not 0 <= index.value < MAX_BUTTONS
            or len(kinds) != 1
            or kinds[0] not in BUTTONS
        ):
            problems.append(place.problem("a button has an `index`, and a `url` or a `payload`", form))
        elif index.value in [button.index for button in compiled]:
            problems.append(index.place.problem(f"the button {index.value} stands here twice", "Keep one of them"))
        elif (text := _compile(item[kinds[0]], place, problems)) is not None:
            compiled.append(Button(index.value, kinds[0], text))
    return tuple(compiled)


def _compile(tree: Tree, place: SourceLocation, problems: list[Problem]) -> LiquidText | None:
    if not isinstance(tree, Leaf) or not isinstance(tree.value, str):
        where = tree.place if isinstance(tree, Leaf) else place
        problems.append(where.problem("a value of the template is not a text", "Put it in quotes"))
        return None
    compiled, faults = compile_liquid(tree.value, tree.place)
    problems += faults
    return compiled


def _one_line(text: LiquidText, rendering: Rendering) -> str:
    """Render a value, in which providers take no line breaks and no rows of blanks."""
    line = " ".join(text.render(rendering).split())
    if not line:
        raise TemplateRenderError(text.place, "the value is empty for this user")
    if len(line) > MAX_VALUE_CHARACTERS:
        raise TemplateRenderError(text.place, f"the value exceeds {MAX_VALUE_CHARACTERS:,} characters for this user")
    return line
