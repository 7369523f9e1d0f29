"""A survey as its recipient gets it, and the order of its questions.

It is the content of a message in the app, and is kept beside a mail, which links to it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, field

QuestionType = Literal["nps", "csat", "stars", "single", "multi", "text"]
# The grades of a question that has some.
GRADES: Final[Mapping[QuestionType, range]] = {"nps": range(11), "csat": range(1, 6), "stars": range(1, 6)}
END: Final = "end"

# Rich text (domain/templates/markdown.py), which pages and browsers draw.
TextNodes = Sequence[Mapping[str, Any]]


class Option(Struct, frozen=True):
    """A choice: the value that is kept, and the words that are shown."""

    value: str
    label: str


class JumpCondition(Struct, frozen=True, rename={"among": "is"}):
    """The answers that jump: grades within bounds, one of some, or all without either."""

    min: int | None = None
    max: int | None = None
    among: tuple[int | str, ...] | None = None

    @property
    def is_for_all(self) -> bool:
        """Whether it holds for any answer, and for none."""
        return self.min is None and self.max is None and self.among is None

    def holds(self, answer: int | str) -> bool:
        """Return whether a grade or a choice jumps."""
        if isinstance(answer, str) or self.among is not None:
            return self.is_for_all or answer in (self.among or ())
        return (self.min is None or answer >= self.min) and (self.max is None or answer <= self.max)


class Jump(Struct, frozen=True):
    """Leads from an answer to a later question, or to END."""

    when: JumpCondition
    to: str


class Question(Struct, frozen=True):
    """A question; `low` and `high` name the ends of its scale."""

    id: str
    type: QuestionType
    text: TextNodes
    required: bool = False
    options: tuple[Option, ...] = ()
    low: str | None = None
    high: str | None = None
    next: tuple[Jump, ...] = ()

    @property
    def grades(self) -> range:
        """The possible scores; empty for a question without."""
        return GRADES.get(self.type, range(0))


class QuestionOutline(Struct, frozen=True, omit_defaults=True):
    """A question as rules and results know it, the same for each recipient."""

    id: str
    type: QuestionType
    options: tuple[str, ...] = ()


class Survey(Struct, frozen=True):
    """The questions in their order, and the thanks after the last one."""

    questions: tuple[Question, ...]
    thanks: TextNodes = ()
    title: str | None = field(default=None)

    def find(self, id: str) -> Question | None:
        """Return a question by its id."""
        return next((one for one in self.questions if one.id == id), None)
