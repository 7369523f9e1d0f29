"""How many people get another language than their own from a campaign's templates."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from random import SystemRandom
from time import monotonic, perf_counter
from typing import Final

from msgspec import Struct

from domain.templates.languages import FallbackLanguage, TemplateLanguages, find_fallbacks
from store import people_sample
from store.database import Database

# People drawn at random, the time for them, and how many a statement reads.
SAMPLE: Final = 20_000
MAX_SECONDS: Final = 1.5
PAGE: Final = 2_000
# The plans of a folder share a sample of many people. Few are counted each time.
KEEP_SECONDS: Final = 60.0


class SampledLocales(Struct, frozen=True):
    """The people of a sample by locale, and how many people there are."""

    people: Counter[str]
    sampled: int
    of: int


class PeopleLanguages:
    """Counts people by language, or draws a sample of many once in KEEP_SECONDS."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sampling = asyncio.Lock()
        self._known: tuple[float, SampledLocales] | None = None

    async def find_fallbacks(self, templates: Sequence[TemplateLanguages]) -> list[FallbackLanguage]:
        """Return the languages that templates are not written in, and how many speak them.

        People are counted only if the languages of a template are known.
        """
        known = [one for one in templates if one.are_known]
        if not known:
            return []
        found = await self._sample()
        return list(find_fallbacks(known, found.people, found.sampled, found.of))

    async def _sample(self) -> SampledLocales:
        async with self._sampling:
            if self._known is not None and monotonic() - self._known[0] < KEEP_SECONDS:
                return self._known[1]
            found = await self._draw()
            self._known = (monotonic(), found) if found.of > found.sampled else None
            return found

    async def _draw(self) -> SampledLocales:
        until = perf_counter() + MAX_SECONDS
        people: Counter[str] = Counter()
        sampled = 0
        async with self._database.own_transaction() as connection:
            drawn = await people_sample.draw(connection, SystemRandom().randrange(-(2**31), 2**31), SAMPLE)
            of = len(drawn) if len(drawn) < SAMPLE else await people_sample.estimate_count(connection)
            for start in range(0, len(drawn), PAGE):
                page = drawn[start : start + PAGE]
                people += await people_sample.count_locales(connection, page)
                sampled += len(page)
                if perf_counter() >= until:
                    break
        return SampledLocales(people, sampled, of)
