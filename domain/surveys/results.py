"""The results of a survey, by question, computed from counts of its answers.

NPS is the percentage of those who answer 9 or 10 less the percentage of those who answer 0 to 6. CSAT is the share of
those who answer 4 or 5 out of 5. Stars have their mean.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from domain.surveys.intervals import Interval, find_mean, find_nps, find_share
from domain.surveys.survey import GRADES, QuestionOutline, QuestionType

# The properties by which answers are told apart.
Grouping = Literal["campaign", "version", "arm", "segment", "channel"]
# The grades of a satisfied person.
SATISFIED: Final = (4, 5)


class AnswerCount(Struct, frozen=True):
    """Answers to a question in one group: those with a score, with a choice, or all.

    `choice` and `score` are None in the count of all.
    """

    group: str
    question: str
    type: QuestionType
    score: int | None
    choice: str | None
    number: int


class ShownCount(Struct, frozen=True):
    """Messages of a group that were shown, and those of them with an answer."""

    group: str
    shown: int
    answered: int


class AnswerShare(Struct, frozen=True):
    """The answers of one value."""

    value: str
    answers: int
    share: Interval


class QuestionResult(Struct, frozen=True, kw_only=True):
    """The answers to a question. A measure that its type does not have is None."""

    question: str
    type: QuestionType
    answers: int
    nps: Interval | None = None
    csat: Interval | None = None
    mean: Interval | None = None
    distribution: tuple[AnswerShare, ...] = ()


class GroupResult(Struct, frozen=True):
    """The results of one group; the name of the group of everyone is empty."""

    group: str
    shown: int
    answered: int
    response_rate: Interval | None
    questions: tuple[QuestionResult, ...]


def compute_results(
    outlines: Sequence[QuestionOutline], shown: Iterable[ShownCount], counts: Iterable[AnswerCount]
) -> list[GroupResult]:
    """Compute the results of each group, by its name.

    `outlines` are the questions of the versions that ask, in their order; those that none asks any more come last.
    """
    by_group: dict[str, list[AnswerCount]] = {}
    for one in counts:
        by_group.setdefault(one.group, []).append(one)
    messages = {one.group: one for one in shown}
    return [
        _compute_group(group, outlines, messages.get(group, ShownCount(group, 0, 0)), by_group.get(group, []))
        for group in sorted({*by_group, *messages})
    ]


def _compute_group(
    group: str, outlines: Sequence[QuestionOutline], shown: ShownCount, counts: Sequence[AnswerCount]
) -> GroupResult:
    by_question: dict[tuple[str, QuestionType], list[AnswerCount]] = {(one.id, one.type): [] for one in outlines}
    for one in counts:
        by_question.setdefault((one.question, one.type), []).append(one)
    options: dict[tuple[str, QuestionType], list[str]] = {}
    for outline in outlines:
        options.setdefault((outline.id, outline.type), []).extend(outline.options)
    return GroupResult(
        group,
        shown.shown,
        shown.answered,
        find_share(shown.answered, shown.shown),
        tuple(_compute_question(*key, options.get(key, []), of_it) for key, of_it in by_question.items()),
    )


def _compute_question(
    id: str, type: QuestionType, options: Sequence[str], counts: Sequence[AnswerCount]
) -> QuestionResult:
    answers = sum(one.number for one in counts if one.score is None and one.choice is None)
    grades = GRADES.get(type)
    if grades is None:
        chosen = {one.choice: one.number for one in counts if one.choice is not None}
        by_value: Mapping[str, int] = {value: chosen.get(value, 0) for value in dict.fromkeys([*options, *chosen])}
        return QuestionResult(question=id, type=type, answers=answers, distribution=_distribute(by_value, answers))
    scored = {one.score: one.number for one in counts if one.score is not None}
    by_score = {grade: scored.get(grade, 0) for grade in grades}
    return QuestionResult(
        question=id,
        type=type,
        answers=answers,
        nps=find_nps(by_score) if type == "nps" else None,
        csat=find_share(sum(by_score[grade] for grade in SATISFIED), answers) if type == "csat" else None,
        mean=find_mean(by_score),
        distribution=_distribute({str(grade): number for grade, number in by_score.items()}, answers),
    )


def _distribute(by_value: Mapping[str, int], answers: int) -> tuple[AnswerShare, ...]:
    return tuple(
        AnswerShare(value, number, share)
        for value, number in by_value.items()
        if (share := find_share(number, answers)) is not None
    )
