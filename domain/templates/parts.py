"""Texts that are composed of parts of several files, each with its place."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace as replace_fields

from domain.templates.front_matter import Field
from domain.templates.liquid_text import SourceLocation


class TextPart(NamedTuple):
    """A part of a text, and the place where it begins."""

    text: str
    place: SourceLocation


def join_parts(parts: Iterable[TextPart], whole: SourceLocation) -> Field:
    """Return the parts as one text, whose places are those of the parts."""
    texts: list[str] = []
    origins: list[tuple[int, SourceLocation]] = []
    length = 0
    for text, place in parts:
        if text:
            texts.append(text)
            origins.append((length, place))
            length += len(text)
    return Field("".join(texts), replace(whole, origins=tuple(origins) or ((0, whole),)))


def cut(field: Field, begin: int, end: int | None = None) -> TextPart:
    """Return a span of a text as a part."""
    return TextPart(field.value[begin:end], field.place.at(field.value, begin))


class Origin(Struct, frozen=True, array_like=True):
    """The place from which a compiled text comes, from an index on."""

    index: int
    file: str
    line: int
    path: str
    is_verbatim: bool


class CompiledBody(Struct, frozen=True):
    """A template's body as HTML, with the places that it was compiled from.

    It is kept with the version, which means the same after a later release of the compiler.
    """

    html: str
    origins: tuple[Origin, ...]

    @classmethod
    def of(cls, field: Field) -> "CompiledBody":
        """Return a composed text in the form that is kept."""
        origins = (
            Origin(index, place.file, place.line, place.path, place.is_verbatim) for index, place in field.place.origins
        )
        return cls(field.value, tuple(origins))

    def rename_files(self, names: Mapping[str, str]) -> "CompiledBody":
        """Return the body with other names of its files."""
        return replace_fields(self, origins=tuple(replace_fields(one, file=names[one.file]) for one in self.origins))

    def as_field(self, whole: SourceLocation) -> Field:
        """Return the text with its places again."""
        origins = tuple(
            (one.index, SourceLocation(one.file, one.line, one.path, one.is_verbatim)) for one in self.origins
        )
        return Field(self.html, replace(whole, origins=origins))
