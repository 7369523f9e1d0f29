"""One rendering: the data, the recipient's clock and language, and a budget.

The cost is counted, so that every rendering ends, and always at the same point.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from io import StringIO
from typing import Any, TextIO

import liquid
from liquid.exceptions import (
    LiquidError,
    LocalNamespaceLimitError,
    LoopIterationLimitError,
    OutputStreamLimitError,
    ResourceLimitError,
)
from liquid.span import Span
from liquid.static_analysis import Variable
from liquid.token import Token
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap

from domain.sending.senders import NO_SENDERS, DeployedSenders
from domain.templates.liquid_values import CHARACTERS_PER_UNIT, Missing, html_of, text_of, weigh
from domain.templates.secret_text import SECRETS, SecretRef, join

MAX_OUTPUT_BYTES = 512 * 1024
MAX_LOOP_STEPS = 10_000
MAX_LOCALS_BYTES = 256 * 1024
# A unit is one item of a loop, or 8 characters of output, of filtered text, or of a loop's template: at most a
# microsecond or two. A mail of 90 KB with forty items takes 60,000.
MAX_WORK = 1_000_000


@dataclass(frozen=True, slots=True)
class Localization:
    """The recipient's locale (`de-AT`; None if unknown), time zone, and `now`.

    Without `now`, a template cannot use it.
    """

    locale: str | None = None
    zone: tzinfo = UTC
    now: datetime | None = None


UNKNOWN = Localization()


class Budget:
    """The work left for all texts of one message. Raises ResourceLimitError at zero."""

    __slots__ = ("_loop_steps", "_work")

    def __init__(self) -> None:
        self._work = MAX_WORK
        self._loop_steps = MAX_LOOP_STEPS

    @property
    def left(self) -> int:
        """The units of work that are left."""
        return self._work

    def charge(self, work: int) -> None:
        self._work -= work
        if self._work < 0:
            raise ResourceLimitError("too much work", token=None)

    def charge_for(self, *values: object) -> None:
        """Charge for reading these values once."""
        for value in values:
            self.charge(weigh(value, self._work))

    def charge_loop(self, steps: int, characters: int) -> None:
        """Charge for a loop with this many characters of template."""
        self._loop_steps -= steps
        if self._loop_steps < 0:
            raise LoopIterationLimitError("too many steps", token=None)
        self.charge(steps * (1 + characters // CHARACTERS_PER_UNIT))


class Buffer(StringIO):
    """Output or captured text, charged as work."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(newline=None)
        self._budget = budget
        self._bytes_left = MAX_OUTPUT_BYTES
        self._secrets: list[tuple[int, SecretRef]] = []

    def write_secret(self, secret: SecretRef) -> None:
        """Let a secret stand here, by name."""
        self._secrets.append((self.tell(), secret))

    def text(self) -> str:
        """Return what was put out: a SecretText where secrets are in it."""
        whole = self.getvalue()
        parts: list[str | SecretRef] = []
        begin = 0
        for end, secret in self._secrets:
            parts += [whole[begin:end], secret]
            begin = end
        return join([*parts, whole[begin:]])

    def write(self, text: str, /) -> int:
        self._bytes_left -= len(text.encode())
        if self._bytes_left < 0:
            raise OutputStreamLimitError("too much output", token=None)
        self._budget.charge(1 + len(text) // CHARACTERS_PER_UNIT)
        return super().write(text)


@dataclass(slots=True)
class MissingRead:
    """A missing variable that a text has read, with the text's file and line.

    `printed` is the output that it is part of; None if it is only tested or looped over.
    """

    variable: str
    token: Token | None
    printed: str | None = None
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Rendering:
    """One message: the variables, the recipient, its possible senders, and the budget.

    If `missing` is a list, texts add the missing variables that they read.
    """

    variables: Mapping[str, Any]
    localization: Localization = UNKNOWN
    senders: DeployedSenders = NO_SENDERS
    budget: Budget = field(default_factory=Budget)
    missing: list[MissingRead] | None = None


class SpellingEnvironment(liquid.Environment):
    """An environment that says how its texts have a value."""

    def spell(self, value: object) -> str:
        """Return a value as its texts have it, escaped if need be."""
        return html_of(value) if self.autoescape else text_of(value)


class Context(liquid.RenderContext):
    """The library's context with a budget, and with null for missing values.

    With `failures`, a failed output is recorded by its position, and rendering goes on. If `missing` is a list, missing
    variables are added to it.
    """

    __slots__ = ("_locals_bytes", "budget", "failures", "localization", "missing")

    def __init__(self, template: liquid.BoundTemplate, rendering: Rendering) -> None:
        super().__init__(template, globals=rendering.variables)
        self.budget = rendering.budget
        self.localization = rendering.localization
        self._locals_bytes = 0
        self.failures: dict[int, LiquidError] | None = None
        self.missing = rendering.missing

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        value = super().get(path, token=token, default=None)
        if (
            value is None
            and path[0] == SECRETS
            and len(path) > 1
            and super().get(path[:1], token=token, default=None) is None
        ):
            # A variable of the template's own may have that name. Only an output can take it; see liquid_nodes.
            return SecretRef(str(path[1]))
        if value is None and default is UNDEFINED:
            value = Missing(str(path[0]), hint=_spell_path(path) or "a computed variable", token=token)
        if self.missing is not None and isinstance(value, Missing):
            # A variable of the template's own may hold it.
            self.missing.append(MissingRead(str(value.hint), token))
        return default if value is None else value

    def spell(self, value: object) -> str:
        """Return a value as the text has it."""
        return self.env.spell(value) if isinstance(self.env, SpellingEnvironment) else text_of(value)

    def now(self) -> datetime | None:
        """Return the instant of a template's `now`."""
        return self.localization.now

    def get_buffer(self, buf: TextIO | None = None) -> Buffer:
        return Buffer(self.budget)

    def assign(self, key: str, val: Any) -> None:
        # The library would add up the sizes of all variables at each assignment.
        before = self.locals.get(key)
        self._locals_bytes += sys.getsizeof(val) - (sys.getsizeof(before) if key in self.locals else 0)
        self.locals[key] = val
        if self._locals_bytes > MAX_LOCALS_BYTES:
            raise LocalNamespaceLimitError("too much is assigned", token=None)

    @contextmanager
    def isolated(self, arguments: Mapping[str, object]) -> Iterator[None]:
        """Let only these names and the message's variables be known meanwhile."""
        outer = self.locals, self.counters, self.scope, self.tag_namespace, self.loops, self._locals_bytes
        inner = liquid.RenderContext(self.template, globals=self.globals)
        self.locals, self.counters, self.tag_namespace, self.loops = {}, {}, inner.tag_namespace, []
        self.scope = ReadOnlyChainMap(self.locals, arguments, self.globals, self.counters)
        try:
            yield
        finally:
            self.locals, self.counters, self.scope, self.tag_namespace, self.loops, self._locals_bytes = outer

    def raise_for_loop_limit(self, length: int = 1) -> None:
        """Do nothing: loops are charged when they are evaluated."""


def _spell_path(path: list[object]) -> str:
    """Return the path as an author writes it; empty if it is computed."""
    segments = [part for part in path if isinstance(part, str | int)]
    return str(Variable(list(segments), Span("", 0))) if len(segments) == len(path) else ""
