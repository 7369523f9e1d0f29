"""Use cases of surveys: list them, and compute the results of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace

from application.periods import find_begin
from domain.access import Actor
from domain.channels.kinds import CHANNELS
from domain.errors import NotFoundError
from domain.suggestions import did_you_mean
from domain.surveys.results import Grouping, GroupResult, compute_results
from domain.surveys.survey import QuestionOutline
from store import audit, survey_results
from store.database import Connection, Database
from store.funnel import ISOLATION
from store.survey_results import AnswerFilter, SurveyRef, SurveyVersion, TextAnswer, TextPosition


@dataclass(frozen=True, slots=True)
class SurveySummary:
    """A survey of a campaign with its latest questions and its recent answers."""

    template: str
    campaign: str
    version: int
    questions: Sequence[QuestionOutline]
    answered: int
    last_answer_at: datetime | None


@dataclass(frozen=True, slots=True)
class SurveyQuery:
    """A survey, of one campaign or of all, and a period."""

    template: str
    campaign: str | None = None
    begin: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeriodResults:
    """The results of a survey in a period; without an end it goes on."""

    begin: datetime
    end: datetime | None
    groups: Sequence[GroupResult]


class SurveyResults:
    """Reads the answers to surveys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compute(self, query: SurveyQuery, by: Grouping | None) -> PeriodResults:
        """Compute the results of each group, or of everyone, in a period.

        By default it is the last 30 days. It is that of the answers, and for the response rate of the messages. Raises
        NotFoundError, InvalidRequestError if it ends before it begins, and OverloadedError.
        """
        begin = find_begin(query.begin, query.end or self._database.clock.now())
        waiting = [name for name, kind in CHANNELS.items() if kind.waits_for_person]
        async with self._database.long_read() as connection:
            await connection.execute(ISOLATION)
            versions = await _find_versions(connection, query)
            which = replace(_as_filter(query, versions), begin=begin)
            shown = await survey_results.count_shown(connection, which, by, waiting)
            counts = await survey_results.count_answers(connection, which, by)
        outlines = {
            (outline.id, outline.type): outline for one in reversed(versions) for outline in one.surveys[query.template]
        }
        latest = [(one.id, one.type) for one in versions[0].surveys[query.template]]
        ordered = [*latest, *(key for key in outlines if key not in latest)]
        groups = compute_results([outlines[key] for key in ordered], shown, counts)
        return PeriodResults(begin, query.end, groups)

    async def list_texts(
        self, query: SurveyQuery, question: str | None, after: TextPosition | None, limit: int, *, by: Actor
    ) -> list[TextAnswer]:
        """Return texts, the latest first. Raises NotFoundError and OverloadedError.

        The audit log says who looked.
        """
        async with self._database.long_read() as connection:
            which = _as_filter(query, await _find_versions(connection, query))
            found = await survey_results.page_texts(connection, which, question, after, limit)
            await audit.record_look(connection, by, "survey.read", query.template)
            return found

    async def list_surveys(self) -> list[SurveySummary]:
        """Return the surveys of all campaigns, by template and campaign.

        Raises OverloadedError.
        """
        begin = find_begin(None, self._database.clock.now())
        async with self._database.long_read() as connection:
            latest: dict[SurveyRef, SurveyVersion] = {}
            for one in await survey_results.list_versions(connection):
                for template in one.surveys:
                    latest.setdefault(SurveyRef(template, one.campaign), one)
            recent = await survey_results.count_recent(connection, latest, begin)
        return [
            SurveySummary(
                template=ref.template,
                campaign=ref.campaign,
                version=latest[ref].version,
                questions=latest[ref].surveys[ref.template],
                answered=recent[ref].answered,
                last_answer_at=recent[ref].last_at,
            )
            for ref in sorted(latest)
        ]


def _as_filter(query: SurveyQuery, versions: Sequence[SurveyVersion]) -> AnswerFilter:
    campaigns = sorted({one.campaign for one in versions})
    return AnswerFilter(query.template, campaigns, query.begin, query.end)


async def _find_versions(connection: Connection, query: SurveyQuery) -> Sequence[SurveyVersion]:
    """Return the versions that ask, the latest of each campaign first."""
    versions = await survey_results.list_versions(connection)
    asking = [one for one in versions if query.template in one.surveys and query.campaign in (None, one.campaign)]
    if not asking:
        of_campaign = [one for one in versions if query.campaign in (None, one.campaign)]
        known = sorted({template for one in of_campaign for template in one.surveys})
        where = "" if query.campaign is None else f" in {query.campaign}"
        hint = did_you_mean(query.template, known, "Surveys")
        raise NotFoundError(f"there is no survey {query.template}{where}. {hint}", template=query.template)
    return asking
