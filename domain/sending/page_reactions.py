"""Reactions to messages on pages and in apps, as these report them."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain.sending.reports import MAX_DETAIL_CHARACTERS, MAX_LINK_CHARACTERS, ProviderReport, ReportKind
from domain.surveys.answers import InvalidAnswerError, find_report_id, read_answer
from domain.surveys.survey import Survey
from domain.tracking.arrival import correct

ReactionKind = Literal["shown", "clicked", "dismissed", "answered", "completed", "failed"]

MAX_REACTIONS: Final = 100
MAX_ANSWERS: Final = 50
_Name = Annotated[str, Meta(max_length=64)]
_REPORTS: Final[Mapping[ReactionKind, ReportKind]] = {
    "shown": "opened",
    "clicked": "clicked",
    "dismissed": "dismissed",
    "answered": "answered",
    "completed": "completed",
    "failed": "failed",
}


class InvalidReactionError(ValueError):
    """A reaction that is left out; the text says why."""


class PageReaction(Struct, frozen=True, kw_only=True):
    """A reaction to a message. `step` is that of a tour, `answers` are by question.

    A repetition has the same message, kind, step, action and link. One that was shown anew has another time, or step.
    """

    message_id: UUID
    kind: ReactionKind
    at: Annotated[datetime, Meta(tz=True)] | None = None
    step: _Name | None = None
    action: _Name | None = None
    link: Annotated[str, Meta(max_length=MAX_LINK_CHARACTERS)] | None = None
    reason: Annotated[str, Meta(max_length=MAX_DETAIL_CHARACTERS)] | None = None
    answers: Annotated[dict[str, Any], Meta(max_length=MAX_ANSWERS)] | None = None


def read_reaction(item: object) -> PageReaction:
    """Read a reaction of a body. Raises InvalidReactionError."""
    if isinstance(item, dict) and item.get("kind") not in [*_REPORTS]:
        raise InvalidReactionError(f"`kind` is one of {', '.join(f'`{kind}`' for kind in _REPORTS)}")
    try:
        return msgspec.convert(item, PageReaction)
    except msgspec.ValidationError as error:
        raise InvalidReactionError(str(error)) from error


def count_reports(item: object) -> int:
    """Return how many reports an item of a body makes at most, before it is read."""
    answers = item.get("answers") if isinstance(item, dict) else None
    return max(1, len(answers)) if isinstance(answers, dict) else 1


def build_reports(
    reaction: PageReaction, survey: Survey | None, sent_at: datetime | None, received_at: datetime
) -> list[ProviderReport]:
    """Return what a reaction reports: an answer for each question, else one report.

    `survey` is that of the message; `sent_at` corrects the clock of the client. Raises InvalidReactionError.
    """
    reported = received_at if reaction.at is None else reaction.at
    at = correct(reported, sent_at, received_at).timestamp
    if reaction.kind == "answered":
        return _build_answers(reaction, survey, at)
    step = reaction.step or (reported.isoformat() if reaction.kind == "shown" else "")
    part = f"{step} {reaction.action or ''} {_shorten(reaction.link)}"
    named = {"action": reaction.action, "message_step": None if reaction.kind == "shown" else reaction.step}
    report = ProviderReport(
        kind=_REPORTS[reaction.kind],
        event_id=f"{reaction.message_id} {reaction.kind} {part}".rstrip(),
        message_id=reaction.message_id,
        at=at,
        link=reaction.link,
        detail=reaction.reason,
        data={name: value for name, value in named.items() if value is not None},
    )
    return [report]


def _shorten(link: str | None) -> str:
    """Return a link as part of an id, which has no room for all of it."""
    return "" if link is None else sha256(link.encode("utf-8", "replace")).hexdigest()[:16]


def _build_answers(reaction: PageReaction, survey: Survey | None, at: datetime) -> list[ProviderReport]:
    if survey is None:
        raise InvalidReactionError("the message asks no question")
    reports = []
    for name, given in (reaction.answers or {}).items():
        question = survey.find(name)
        if question is None:
            asked = ", ".join(f"`{one.id}`" for one in survey.questions)
            raise InvalidReactionError(f"the message asks no such question; it asks {asked}")
        try:
            answer = read_answer(question, given)
        except InvalidAnswerError as error:
            raise InvalidReactionError(str(error)) from error
        reports.append(
            ProviderReport(
                kind="answered",
                event_id=find_report_id(reaction.message_id, question.id),
                message_id=reaction.message_id,
                at=at,
                answer=answer,
            )
        )
    if not reports:
        raise InvalidReactionError('`answers` names the question with its answer, as {"score": 9}')
    return reports
