"""A survey: questions in a corner of the page, or in a dialog."""

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final, Literal

from domain.channels.in_app.drawing import draw_box, draw_button, draw_close, draw_rich, element, join_drawn
from domain.channels.in_app.message_kind import InAppKind
from domain.channels.in_app.preview_page import Stage
from domain.surveys.survey import GRADES
from domain.surveys.survey_template import CHOICES, read_survey
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

SurveyPosition = Literal["corner", "modal"]
# From bad to good, as the page draws them.
FACES: Final = ("😞", "🙁", "😐", "🙂", "😃")
POSITIONS: Final[tuple[SurveyPosition, ...]] = ("corner", "modal")


class InAppSurvey(InAppKind):
    """Questions, of which each answer may choose the next."""

    name = "survey"
    labels = ("close", "survey", "next", "submit", "skip")
    report_events: ClassVar[Mapping[str, str]] = {"completed": "Survey Completed"}

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {**read_survey(body), "position": body.read_choice("position", POSITIONS, "corner")}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        boxes = [_draw_question(content, question) for question in content["questions"]]
        if "thanks" in content:
            boxes.append(_draw_box(content, element("div", draw_rich(content["thanks"]), "question")))
        return join_drawn(boxes), "over" if content["position"] == "modal" else "corner"


def _draw_question(content: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    labels, type = content["labels"], question["type"]
    title = element("p", escape(content["title"]), "over") if "title" in content else ""
    asked = title + element("div", draw_rich(question["text"]), "question")
    buttons = [] if question["required"] else [draw_button(labels["skip"], "link")]
    if type in GRADES:
        asked += _draw_scale(question)
    elif type in CHOICES:
        asked += element("div", "".join(_draw_option(one, type) for one in question["options"]), "options")
    else:
        asked += element("div", "", "blank")
    if type in ("multi", "text"):
        buttons.append(draw_button(labels["submit" if type == "text" else "next"], "primary"))
    return _draw_box(content, asked + (element("div", "".join(buttons), "acts") if buttons else ""))


def _draw_scale(question: Mapping[str, Any]) -> str:
    signs = FACES if question["type"] == "csat" else None
    grades = [
        signs[number] if signs else "☆" if question["type"] == "stars" else str(grade)
        for number, grade in enumerate(GRADES[question["type"]])
    ]
    ends = [element("span", escape(question.get(end, ""))) for end in ("low", "high")]
    scale = element("div", "".join(element("span", grade) for grade in grades), f"scale {question['type']}")
    return scale + (element("div", "".join(ends), "ends") if {"low", "high"} & question.keys() else "")


def _draw_option(option: Mapping[str, Any], type: str) -> str:
    sign = "☐ " if type == "multi" else ""
    return element("span", sign + escape(option["label"]), "option")


def _draw_box(content: Mapping[str, Any], inner: str) -> str:
    return draw_box("survey", draw_close(content), element("div", inner, "main"))
