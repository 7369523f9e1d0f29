"""Use cases of surveys: list them, and compute the results of one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.access import Actor
from domain.channels.kinds import CHANNELS
from domain.errors import NotFoundError
from domain.suggestions import did_you_mean
from domain.surveys.results import Grouping, GroupResult, compute_results
from domain.surveys.survey import QuestionOutline
from store import audit, survey_results
from store.database import Connection, Database
from store.funnel import ISOLATION
from store.survey_results import AnswerFilter, SurveyVersion, TextAnswer, TextPosition


@dataclass(frozen=True, slots=True)
class SurveySummary:
    """A survey of a campaign with its latest questions and its answers."""

    template: str
    campaign: str
    version: int
    questions: Sequence[QuestionOutline]
    answered: int
    last_answer_at: datetime | None


class SurveyResults:
    """Reads the answers to surveys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def compute(self, which: AnswerFilter, by: Grouping | None) -> list[GroupResult]:
        """Compute the results of each group, or of everyone. Raises NotFoundError.

        The range is that of the answers, and for the response rate of the messages.
        """
        async with self._database.own_transaction() as connection:
            await connection.execute(ISOLATION)
            versions = await _find_versions(connection, which)
            campaigns = {one.campaign for one in versions}
            waiting = [name for name, kind in CHANNELS.items() if kind.waits_for_person]
            shown = await survey_results.count_shown(connection, which, by, campaigns, waiting)
            counts = await survey_results.count_answers(connection, which, by)
        outlines = {
            (outline.id, outline.type): outline for one in reversed(versions) for outline in one.surveys[which.template]
        }
        latest = [(one.id, one.type) for one in versions[0].surveys[which.template]]
        ordered = [*latest, *(key for key in outlines if key not in latest)]
        return compute_results([outlines[key] for key in ordered], shown, counts)

    async def list_texts(
        self, which: AnswerFilter, question: str | None, after: TextPosition | None, limit: int, *, by: Actor
    ) -> list[TextAnswer]:
        """Return texts, the latest first. Raises NotFoundError.

        The audit log says who looked.
        """
        async with self._database.own_transaction() as connection:
            await _find_versions(connection, which)
            await audit.record_once_a_day(connection, by, "survey.read", which.template)
            return await survey_results.page_texts(connection, which, question, after, limit)

    async def list_surveys(self) -> list[SurveySummary]:
        """Return the surveys of all campaigns, by template and campaign."""
        async with self._database.own_transaction() as connection:
            versions = await survey_results.list_versions(connection)
            totals = {(one.template, one.campaign): one for one in await survey_results.count_totals(connection)}
        latest: dict[tuple[str, str], SurveySummary] = {}
        for one in versions:
            for template, questions in one.surveys.items():
                total = totals.get((template, one.campaign))
                answered, last_at = (0, None) if total is None else (total.answered, total.last_at)
                summary = SurveySummary(template, one.campaign, one.version, questions, answered, last_at)
                latest.setdefault((template, one.campaign), summary)
        return [latest[key] for key in sorted(latest)]


async def _find_versions(connection: Connection, which: AnswerFilter) -> Sequence[SurveyVersion]:
    """Return the versions that ask, the latest of each campaign first."""
    versions = await survey_results.list_versions(connection)
    asking = [one for one in versions if which.template in one.surveys and which.campaign in (None, one.campaign)]
    if not asking:
        of_campaign = [one for one in versions if which.campaign in (None, one.campaign)]
        known = sorted({template for one in of_campaign for template in one.surveys})
        where = "" if which.campaign is None else f" in {which.campaign}"
        hint = did_you_mean(which.template, known, "Surveys")
        raise NotFoundError(f"there is no survey {which.template}{where}. {hint}", template=which.template)
    return asking
