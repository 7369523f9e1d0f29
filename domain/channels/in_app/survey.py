"""A survey: questions in a corner of the page, or in a dialog."""

from typing import Final, Literal

from domain.channels.in_app.message_kind import InAppKind
from domain.surveys.survey_template import read_survey
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

SurveyPosition = Literal["corner", "modal"]
POSITIONS: Final[tuple[SurveyPosition, ...]] = ("corner", "modal")


class InAppSurvey(InAppKind):
    """Questions, of which each answer may choose the next."""

    name = "survey"
    labels = ("close", "survey", "next", "submit", "skip")

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {**read_survey(body), "position": body.read_choice("position", POSITIONS, "corner")}
