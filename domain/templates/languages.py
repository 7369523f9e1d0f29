"""The languages of templates and of people, and who gets another than their own."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Final

from msgspec import Struct

from domain.people.segments.estimate import Estimate, estimate_number

# The form of a language in file names and front matter.
LANGUAGE: Final = r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*"
# The language of `NAME.liquid` in the set of a template.
DEFAULT: Final = ""
# Languages that are listed for a template: the most frequent ones.
MAX_LISTED: Final = 20


def choose_language(languages: Container[str], locale: str | None) -> str:
    """Return the language of the variant for a locale; empty for the default.

    For `pt_BR` it is pt-br, else pt, else the default.
    """
    return next((language for language in list_languages(locale) if language in languages), DEFAULT)


def list_languages(locale: str | None) -> list[str]:
    """Return a language and those that stand in for it: pt-br, pt and the default."""
    parts = _normalize(locale or DEFAULT).split("-")
    return [*("-".join(parts[:length]) for length in range(len(parts), 0, -1) if parts[0]), DEFAULT]


class TemplateLanguages(Struct, frozen=True):
    """The languages of a template: of its variants, and of the default if it says so."""

    template: str
    variants: tuple[str, ...]
    default: str | None

    @property
    def are_known(self) -> bool:
        """Whether it can be said who gets another language than their own."""
        return bool(self.variants) or self.default is not None

    def serves(self, locale: str) -> bool:
        """Return whether a person of this locale gets a language of their own."""
        if choose_language(self.variants, locale) != DEFAULT:
            return True
        return self.default is not None and base_language(self.default) == base_language(locale)


class FallbackLanguage(Struct, frozen=True):
    """The people of a language that a template is not written in; they get another.

    `gets` is the language of its default, None where the template does not say.
    """

    template: str
    language: str
    gets: str | None
    people: Estimate

    @property
    def summary(self) -> str:
        """The same in words."""
        gets = f"`{self.gets}`" if self.gets is not None else "the default"
        return f"{self.people.summary} speak `{self.language}`: of {self.template} they would get {gets}"


def base_language(locale: str) -> str:
    """Return the language of a locale without its country: `pt` for `pt_BR`."""
    return _normalize(locale).partition("-")[0]


def find_fallbacks(
    templates: Iterable[TemplateLanguages], people: Mapping[str, int], sampled: int, of: int
) -> Iterator[FallbackLanguage]:
    """Find the languages that templates do not serve, the most frequent first.

    `people` are the numbers of people by locale in a sample of all; other values are left out.
    """
    spoken = {locale: number for locale, number in people.items() if re.fullmatch(LANGUAGE, locale.replace("_", "-"))}
    for template in templates:
        unserved: Counter[str] = Counter()
        for locale, number in spoken.items():
            if template.are_known and not template.serves(locale):
                unserved[base_language(locale)] += number
        for language, number in unserved.most_common(MAX_LISTED):
            yield FallbackLanguage(template.template, language, template.default, estimate_number(number, sampled, of))


def _normalize(locale: str) -> str:
    return locale.replace("_", "-").lower()
