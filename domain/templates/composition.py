"""Layouts and blocks: shared files, put into a template before it is compiled.

`templates/blocks/NAME.liquid` and `templates/layouts/NAME.liquid` have variants in languages as templates have, and a
template takes those of its own language. Those of MJML end in `.mjml`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final, NamedTuple

from domain.channels.kinds import CHANNELS
from domain.errors import Problem
from domain.suggestions import did_you_mean, find_closest
from domain.templates.front_matter import Field, parse
from domain.templates.languages import LANGUAGE
from domain.templates.liquid_blocks import BLOCK, RENDER, BlockCallNode
from domain.templates.liquid_nodes import walk_nodes
from domain.templates.liquid_text import LiquidText, SourceLocation, compile_liquid
from domain.templates.parts import TextPart, cut, join_parts
from domain.templates.variables import ROOTS

HTML_ENDING: Final = ".liquid"
MJML_ENDING: Final = ".mjml"
BODY: Final = "body"
TEXT: Final = "text"
BLOCKS: Final = "blocks"
LAYOUTS: Final = "layouts"
ATTACHMENTS: Final = "attachments"
SHARED_FOLDERS: Final = (BLOCKS, LAYOUTS, ATTACHMENTS)
CONTENT: Final = "content"
# As much as a file may have: blocks within blocks could grow without end.
MAX_COMPOSED_CHARACTERS: Final = 256 * 1024
# A step with several channels has a template for each: `NAME.CHANNEL`.
FILE_NAME: Final = re.compile(
    rf"(?P<name>[A-Za-z0-9][A-Za-z0-9_-]*(\.({'|'.join(CHANNELS)}))?)"
    rf"(\.(?P<language>{LANGUAGE}))?(?P<ending>\.liquid|\.mjml)"
)
_CALL = re.compile(rf"(\{{%-?\s*){RENDER}\b(.*?)\s*(-?)%\}}", re.DOTALL)
_CONTENT = re.compile(rf"\{{\{{-?\s*{CONTENT}\s*-?\}}\}}")
# How similar a name must be to a variable's, to be taken for a slip.
_SIMILAR: Final = 0.8


class _AnyName:
    """The names that a block may use: its callers give them."""

    def __contains__(self, name: object) -> bool:
        return True


class SharedText(NamedTuple):
    """A text that is composed with others, compiled by itself."""

    field: Field
    compiled: LiquidText


class SharedFiles:
    """The blocks and layouts beside a campaign's templates.

    Only those that are used are checked.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files
        self._named: dict[tuple[str, str, str, str], str] = {}
        self._texts: dict[str, tuple[dict[str, SharedText], list[Problem]]] = {}
        for file in files:
            found = FILE_NAME.fullmatch(PurePosixPath(file).name)
            if found is not None:
                key = (folder_of(file), found["name"], (found["language"] or "").lower(), found["ending"])
                self._named[key] = file

    def list_files(self, folder: str) -> dict[str, str]:
        """Return the files of a folder."""
        return {file: text for file, text in self._files.items() if folder_of(file) == folder}

    def find(self, folder: str, name: str, languages: Sequence[str], endings: Sequence[str]) -> str | None:
        """Return the file of a block or a layout, in the nearest of the languages."""
        keys = ((folder, name, language, ending) for language in languages for ending in endings)
        return next((self._named[key] for key in keys if key in self._named), None)

    def suggest(self, folder: str, name: str, endings: Sequence[str]) -> str:
        present = {known for within, known, _, ending in self._named if within == folder and ending in endings}
        return did_you_mean(name, sorted(present), f"There are in templates/{folder}")

    def block(self, file: str) -> tuple[SharedText | None, list[Problem]]:
        """Return a block, whose names are those that its callers give, or its faults."""
        if file not in self._texts:
            field = Field(self._files[file], SourceLocation(file, 1, "block"))
            compiled, faults = compile_liquid(field.value, field.place, may_render=True, given=_AnyName())
            self._texts[file] = {} if compiled is None else {"": SharedText(field, compiled)}, faults
        texts, faults = self._texts[file]
        return texts.get(""), faults

    def layout(self, file: str) -> tuple[dict[str, SharedText], list[Problem]]:
        """Return the texts of a layout, `body` and perhaps `text`, or its faults."""
        if file not in self._texts:
            texts: dict[str, SharedText] = {}
            faults: list[Problem] = []
            for name, field in _layout_fields(file, self._files[file], faults):
                compiled, found = compile_liquid(field.value, field.place, may_render=True, given=(CONTENT,))
                faults += found
                if compiled is not None:
                    texts[name] = SharedText(field, compiled)
                    if len(_CONTENT.findall(field.value)) != 1:
                        said = f"a layout has `{{{{ {CONTENT} }}}}` once"
                        faults.append(field.place.problem(said, "Write it where the template's text stands"))
            self._texts[file] = texts, faults
        return self._texts[file]


class Composer:
    """Composes the texts of one template in one language.

    `languages` are that language and those that stand in for it, the nearest first. `files` are the blocks and layouts
    that it used, and `problems` what was wrong.
    """

    def __init__(self, shared: SharedFiles, languages: Sequence[str]) -> None:
        self.files: set[str] = set()
        self.problems: list[Problem] = []
        self._shared = shared
        self._languages = languages
        self._left = 0
        self._endings: Sequence[str] = ()

    def layout(self, name: Field, ending: str) -> Mapping[str, SharedText]:
        """Return the texts of the layout that a template names."""
        written = name.value.strip()
        file = self._shared.find(LAYOUTS, written, self._languages, (ending,))
        if file is None:
            said = f"there is no layout `{written}{ending}`"
            self.problems.append(name.place.problem(said, self._shared.suggest(LAYOUTS, written, (ending,))))
            return {}
        self.files.add(file)
        texts, faults = self._shared.layout(file)
        self.problems += faults
        return texts

    def compose(self, field: Field, ending: str, layout: SharedText | None = None) -> Field:
        """Put a text into its layout, and blocks into both.

        A text without either is returned as it is; one with faults as well, with `problems`.
        """
        if layout is None and RENDER not in field.value:
            return field
        compiled, faults = compile_liquid(field.value, field.place, may_render=True)
        self.problems += faults
        if compiled is None:
            return field
        self._left = MAX_COMPOSED_CHARACTERS
        self._endings = (ending, HTML_ENDING) if ending == MJML_ENDING else (ending,)
        before = len(self.problems)
        own = SharedText(field, compiled)
        try:
            parts = list(self._parts(own, ()) if layout is None else self._lay_out(layout, own))
        except _TooLargeError:
            self.problems.append(
                field.place.problem(
                    f"the text with its layout and blocks is larger than {MAX_COMPOSED_CHARACTERS // 1024} KB",
                    "Make the blocks smaller, or render them less often",
                )
            )
        if len(self.problems) > before:
            return field
        return join_parts(parts, field.place)

    def _lay_out(self, layout: SharedText, content: SharedText) -> Iterator[TextPart]:
        # Both are composed by themselves, so that a block may stand before and after the content.
        found = _CONTENT.search(layout.field.value)
        if found is not None:
            yield from self._parts(layout, (), end=found.start())
            yield from self._parts(content, ())
            yield from self._parts(layout, (), begin=found.end())

    def _parts(
        self, text: SharedText, chain: tuple[str, ...], begin: int = 0, end: int | None = None
    ) -> Iterator[TextPart]:
        """Iterate over the parts of a span, with those of its blocks.

        `chain` are the blocks around it.
        """
        source = text.field.value
        at, end = begin, len(source) if end is None else end
        for node in walk_nodes(text.compiled.nodes):
            if isinstance(node, BlockCallNode) and at <= node.token.start_index < end:
                call = _find_call(source, node.token.start_index)
                if call is None:
                    place = text.field.place.at(source, node.token.start_index)
                    self.problems.append(
                        place.problem("a block is rendered within a `liquid` tag", "Write {% render … %} by itself")
                    )
                    continue
                yield self._take(cut(text.field, at, call.start()))
                yield from self._call(node, call, text.field.place.at(source, call.start()), chain)
                at = call.end()
        yield self._take(cut(text.field, at, end))

    def _call(
        self, node: BlockCallNode, call: re.Match[str], place: SourceLocation, chain: tuple[str, ...]
    ) -> Iterator[TextPart]:
        # Calls count as well: blocks of nothing but calls could grow without end.
        self._take(TextPart(call[0], place))
        file = self._shared.find(BLOCKS, node.name, self._languages, self._endings)
        if file is None:
            said = f"there is no block `{node.name}{self._endings[0]}`"
            self.problems.append(place.problem(said, self._shared.suggest(BLOCKS, node.name, self._endings)))
            return
        if node.name in chain:
            circle = " → ".join((*chain[chain.index(node.name) :], node.name))
            self.problems.append(place.problem(f"a block renders itself: {circle}", "Take one of the tags out"))
            return
        is_new = file not in self.files
        self.files.add(file)
        block, faults = self._shared.block(file)
        if is_new:
            self.problems += faults
        if block is None:
            return
        self.problems += _check_arguments(node, block, place)
        inner = self._parts(block, (*chain, node.name))
        if "{{" not in block.field.value and "{%" not in block.field.value:
            # Constant text needs no scope, so that it may also stand where MJML takes no Liquid.
            yield from inner
            return
        yield TextPart(f"{call[1]}{BLOCK}{call[2]} %}}", place)
        yield from inner
        yield TextPart(f"{{% end{BLOCK} {call[3]}%}}", place)

    def _take(self, part: TextPart) -> TextPart:
        self._left -= len(part.text)
        if self._left < 0:
            raise _TooLargeError
        return part


class _TooLargeError(Exception):
    """A composed text is larger than a file may be."""


def folder_of(file: str) -> str:
    """Return the name of the folder of a file; empty if it has none."""
    return PurePosixPath(file).parent.name


def _layout_fields(file: str, text: str, faults: list[Problem]) -> Iterator[tuple[str, Field]]:
    if not text.startswith("---"):
        yield BODY, Field(text, SourceLocation(file, 1, "layout"))
        return
    source, found = parse(file, text)
    faults += found
    if source is None:
        return
    for key, place in source.key_places.items():
        if key != TEXT or source.fields[key].tree is not None:
            faults.append(place.problem(f"a layout has no key '{key}'", f"Keys: {TEXT}, a text"))
        else:
            yield TEXT, source.fields[key]
    yield BODY, source.body


def _find_call(source: str, index: int) -> re.Match[str] | None:
    """Return the tag at an index, which may be that of its name."""
    return _CALL.match(source, source.rfind("{%", 0, index + 2))


def _check_arguments(node: BlockCallNode, block: SharedText, place: SourceLocation) -> Iterator[Problem]:
    """Find arguments that a block does not use, and its own names that are slips."""
    names = block.compiled.free_names
    given = [argument.name for argument in node.arguments]
    for name in dict.fromkeys(given):
        if name in ROOTS:
            yield place.problem(f"'{name}' is a variable of all messages", "Give the argument another name")
        elif name not in names or given.count(name) > 1:
            said = f"the block '{node.name}' does not use '{name}'"
            said = said if name not in names else f"'{name}' is given twice"
            yield place.problem(said, did_you_mean(name, sorted(names.difference(given)), "Its other names"))
    for name in sorted(names.difference(given)):
        if (meant := find_closest(name, ROOTS, _SIMILAR)) is not None:
            said = f"there is no variable '{name}', and the block is not given one"
            yield block.field.place.problem(said, f"Did you mean `{meant}`?")
