"""The schedule of faults: a function of the seed and the length."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Crash = Literal[
    "kill-api", "kill-worker", "kill-temporal", "kill-postgres", "database-cut", "database-mute", "disk-full"
]
Trouble = Literal[
    "hook-hangs", "hook-429", "hook-500", "hook-resets", "hook-drops", "mail-4xx", "mail-drops", "mail-hangs"
]
# Of the providers of e-mail by HTTP one fails at a time.
Failure = Literal[
    "keyless-drops",
    "keyless-hangs",
    "keyless-500",
    "keyless-401",
    "keyless-429",
    "keyed-drops",
    "keyed-hangs",
    "keyed-500",
    "keyed-401",
    "keyed-429",
]
Oddity = Literal["freeze-worker", "clock-jumps"]
Kind = Crash | Trouble | Failure | Oddity

# How long each lasts, in seconds. A worker is frozen for longer than a question may take, so that it wakes up with work
# that another has in hand by then.
SECONDS: dict[Kind, tuple[float, float]] = {
    "kill-api": (0.2, 2),
    "kill-worker": (0.2, 2),
    "kill-temporal": (0.2, 3),
    "kill-postgres": (0.2, 3),
    "database-cut": (0.3, 3),
    "database-mute": (0.3, 1.5),
    "disk-full": (2, 5),
    "hook-hangs": (1, 5),
    "hook-429": (1, 4),
    "hook-500": (1, 4),
    "hook-resets": (1, 4),
    "hook-drops": (1, 4),
    "mail-4xx": (1, 4),
    "mail-drops": (1, 4),
    "mail-hangs": (1, 5),
    **dict.fromkeys(get_args(Failure), (1, 4)),
    "freeze-worker": (21, 26),
    "clock-jumps": (5, 15),
}
# Of a long run one in three of these lasts for longer than whoever waits for it: then nobody knows what came of it.
LONG_RUN, LONG_SHARE = 300.0, 1 / 3
LONG_SECONDS: dict[Kind, tuple[float, float]] = {
    "hook-hangs": (31, 36),
    "mail-hangs": (21, 26),
    "keyless-hangs": (31, 36),
    "keyed-hangs": (31, 36),
    "freeze-worker": (91, 100),
}
PAUSES: dict[int, tuple[float, float]] = {0: (1.5, 6), 1: (1, 4), 2: (3, 8), 3: (1, 4)}
CALM = 3.0  # at the beginning, in seconds


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `seconds` are counted from the beginning; `roll`, 0 to 1, chooses whom it meets and how much."""

    at: float
    kind: Kind
    seconds: float
    roll: float


def schedule(seed: str, length: float, left_out: Sequence[Kind] = ()) -> list[Fault]:
    """The faults of `length` seconds, by their instants; all have been lifted by then.

    Crashes, troubles of providers, oddities and failures of e-mail APIs each come one after the other, in decks that
    hold every kind once, and without regard to those of the three other rows.
    """
    rows: list[tuple[Kind, ...]] = [get_args(Crash), get_args(Trouble), get_args(Oddity), get_args(Failure)]
    faults = []
    for number, kinds in enumerate(rows):
        rolls = random.Random(f"{seed}/{number}")
        at = CALM
        for kind in _decks([kind for kind in kinds if kind not in left_out], rolls):
            at += rolls.uniform(*PAUSES[number])
            is_long = length >= LONG_RUN and kind in LONG_SECONDS and rolls.random() < LONG_SHARE
            seconds = rolls.uniform(*(LONG_SECONDS if is_long else SECONDS)[kind])
            if at + seconds > length:
                break
            faults.append(Fault(at, kind, seconds, rolls.random()))
            at += seconds
    return sorted(faults, key=lambda fault: fault.at)


def _decks(kinds: list[Kind], rolls: random.Random) -> Iterator[Kind]:
    while kinds:
        yield from rolls.sample(kinds, len(kinds))
