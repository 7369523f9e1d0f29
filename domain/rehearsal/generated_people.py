"""Generated people, drawn by hash from the words of a campaign."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from domain.ad_audiences.membership import ADS
from domain.channels.kinds import CHANNELS
from domain.journey.bucketing import hash_bucket
from domain.rehearsal.vocabulary import ABSENT, Vocabulary
from domain.rehearsal.walks import EXIT, GOAL, FlowWay
from domain.tracking.event import Trigger
from domain.tracking.traits import CONSENT

# The shares of people who do something, in hundredths: assumptions, which a report names.
SHARES: Final[Mapping[str, int]] = {"opens": 35, "answers": 35, "ends": 20, "lacks": 10}
# While a way is looked for, people do more of everything.
SEARCH_SHARE: Final = 60
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo")
# People appear within so much of the first day.
APPEARS_WITHIN: Final = timedelta(days=7)
# Values of what the channels need, and of what most templates print.
_PERSONAL: Final[Mapping[str, Any]] = {
    "phone": "+4915112345678",
    "address": {
        "name": "Ada Berg",
        "street": "Ringstrasse 1",
        "postal_code": "10115",
        "city": "Berlin",
        "country": "DE",
    },
}
# The consents without which nothing is sent, and no one enters an audience of ads.
_CONSENT: Final = {name: True for name, kind in CHANNELS.items() if not kind.silence_allows} | {ADS: True}
_NAMES: Final = ("Ada", "Ben", "Chiara", "Dmitri", "Emi", "Farid", "Greta", "Hugo")


_Value = TypeVar("_Value")


class Draws:
    """Draws by the hash of a seed and a number, the same on every machine."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._number = 0

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to less than a limit."""
        self._number += 1
        return hash_bucket(limit, *self._names, str(self._number))

    def happens(self, share: int) -> bool:
        """Whether something happens that does in so many of 100 cases."""
        return self.below(100) < share

    def choose(self, among: Sequence[_Value]) -> _Value:
        """Return one of some values."""
        return among[self.below(len(among))]


class PlannedCall(Struct, frozen=True):
    """A call that a person makes so many seconds after something.

    It is their first appearance, the arrival at the step `after`, or there the sending of its message.
    """

    after: str | None
    seconds: int
    trigger: Trigger
    values: Mapping[str, Any]


class GeneratedPerson(Struct, frozen=True):
    """A person with their calls. `number` names them, and draws the arms of splits.

    `lacks` is a value that messages print, and that they have nowhere.
    """

    number: int
    starts_after: int
    traits: Mapping[str, Any]
    has_device: bool
    calls: Sequence[PlannedCall]
    lacks: str | None = None

    def starts_at(self, first: datetime) -> datetime:
        """Return their first appearance, within a week of the first day."""
        return first + timedelta(seconds=self.starts_after)


def generate_person(words: Vocabulary, draws: Draws, number: int, share: int | None = None) -> GeneratedPerson:
    """Draw a person. With a `share`, everything happens in so many of 100 cases."""
    has_all = draws.happens(100 - SHARES["lacks"])
    lacks = draws.choose(words.printed) if words.printed and draws.happens(SHARES["lacks"]) else None
    words = words if lacks is None else _without(words, lacks)
    traits = {
        **_draw_values(words.traits, draws),
        "first_name": draws.choose(_NAMES),
        "timezone": draws.choose(_ZONES),
        **({"email": f"person-{number}@example.com", **_PERSONAL, CONSENT: _CONSENT} if has_all else {}),
    }
    return GeneratedPerson(
        number,
        draws.below(int(APPEARS_WITHIN.total_seconds()) // 60) * 60,
        {name: value for name, value in traits.items() if value is not ABSENT and name != lacks},
        has_all,
        list(_draw_calls(words, draws, share)),
        lacks,
    )


def _without(words: Vocabulary, name: str) -> Vocabulary:
    """Return the words without a value, and without its parts."""
    properties, traits = (
        {path: values for path, values in pool.items() if path.partition(".")[0] != name}
        for pool in (words.properties, words.traits)
    )
    return replace(words, properties=properties, traits=traits)


def aim_at(way: FlowWay, words: Vocabulary, person: GeneratedPerson, draws: Draws) -> GeneratedPerson:
    """Have a person do the event of a wait, of an exit or of the goal."""
    step, triggers = way.step, list(words.answers.get(way.step, ()))
    if step in (EXIT, GOAL):
        triggers = [one for one in words.others if one.label == way.name]
        step = draws.choose([*words.reactions, *words.answers, ""])
    if not triggers:
        return person
    seconds = draws.choose([30, draws.choose(words.gaps) // 2])
    call = PlannedCall(step or None, seconds, draws.choose(triggers), _draw_values(words.properties, draws))
    return replace(person, calls=[*person.calls, call])


def mix(one: GeneratedPerson, other: GeneratedPerson, draws: Draws) -> GeneratedPerson:
    """Return a person with some of the traits and calls of each."""
    names = sorted({*one.traits, *other.traits})
    kept = [(other if draws.happens(30) else one, name) for name in names]
    calls = [call for person, share in ((one, 80), (other, 30)) for call in person.calls if draws.happens(share)]
    number = other if draws.happens(30) else one
    return GeneratedPerson(
        other.number,
        number.starts_after,
        {name: person.traits[name] for person, name in kept if name in person.traits},
        number.has_device,
        calls,
    )


def _draw_calls(words: Vocabulary, draws: Draws, share: int | None) -> Iterator[PlannedCall]:
    seconds, values = 0, _draw_values(words.properties, draws)
    for trigger in words.entries[:1]:
        yield PlannedCall(None, seconds, trigger, values)
    for trigger in words.entries if words.repeats > 1 else words.entries[1:]:
        if draws.happens(share or 50):
            for _ in range(draws.below(words.repeats) + 1):
                seconds += draws.choose((60, 600, draws.choose(words.gaps)))
                yield PlannedCall(None, seconds, trigger, values)
    for share_of, calls in (("answers", words.answers), ("opens", words.reactions)):
        for step, triggers in calls.items():
            if triggers and draws.happens(share or SHARES[share_of]):
                yield _draw_call(step, draws.choose(triggers), values, words, draws)
    for trigger in words.others:
        if draws.happens((share or SHARES["ends"]) // 2):
            yield _draw_call(None, trigger, values, words, draws)


def _draw_call(
    after: str | None, trigger: Trigger, values: Mapping[str, Any], words: Vocabulary, draws: Draws
) -> PlannedCall:
    """Draw a call that is about the same thing as the entry, or about another one."""
    own = _draw_values(words.properties, draws)
    changed = {name: own[name] if draws.happens(25) else values[name] for name in own}
    seconds = draws.choose((60, 3_600, draws.choose(words.gaps) * 9 // 10, draws.choose(words.gaps) * 11 // 10))
    return PlannedCall(after, seconds, trigger, changed)


def _draw_values(pool: Mapping[str, Sequence[Any]], draws: Draws) -> dict[str, Any]:
    """Draw values; most of those that may be missing are there."""
    drawn: dict[str, Any] = {}
    for path, values in pool.items():
        present = [value for value in values if value is not ABSENT]
        is_missing = len(present) < len(values) and draws.happens(SHARES["lacks"] * 2)
        drawn[path] = ABSENT if is_missing or not present else draws.choose(present)
    return drawn
