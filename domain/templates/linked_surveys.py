"""Surveys that messages link to: the key `survey` of a template, beside its text.

`{{ survey_url }}` leads to its first question, and `{{ survey_url }}?answer=9` has the grade 9 chosen there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.channels.kind import Variant
from domain.errors import Problem
from domain.surveys.survey import QuestionOutline
from domain.surveys.survey_template import SurveyTemplate
from domain.templates.front_matter import Field
from domain.templates.languages import DEFAULT
from domain.templates.liquid_context import Rendering
from domain.templates.liquid_text import LiquidText, SourceLocation
from domain.templates.variables import SURVEY_URL

SURVEY: Final = "survey"


@dataclass(frozen=True, slots=True)
class SurveyingVariant:
    """A variant of a template whose messages link to a survey."""

    variant: Variant
    survey: SurveyTemplate

    def render(self, rendering: Rendering) -> dict[str, Any]:
        """Return the content with `survey`. Raises TemplateRenderError."""
        return {**self.variant.render(rendering), SURVEY: self.survey.render(rendering)}

    def texts(self) -> Iterator[LiquidText]:
        yield from self.variant.texts()
        yield from self.survey.texts()


def check_survey_link(variant: Variant, survey: Field | None) -> Iterator[Problem]:
    """Find a survey that no text links to, and a link to none."""
    linking = next((text for text in variant.texts() if SURVEY_URL.name in text.variables), None)
    if survey is not None and linking is None:
        yield survey.place.problem("no text links to the survey", f"Print {{{{ {SURVEY_URL.name} }}}} in the text")
    if survey is None and linking is not None:
        yield linking.place.problem(f"`{SURVEY_URL.name}` leads to no survey", f"Write its questions below `{SURVEY}:`")


def check_outlines(
    outlines: Mapping[str, Sequence[QuestionOutline]], places: Mapping[str, SourceLocation]
) -> Iterator[Problem]:
    """Find languages that ask other questions than the default."""
    for language, outline in outlines.items():
        if outline != outlines.get(DEFAULT, outline):
            said = "the survey asks other questions than that of the default language"
            remedy = "Give its questions the same ids, types and options, in the same order"
            yield places[language].problem(said, remedy)
