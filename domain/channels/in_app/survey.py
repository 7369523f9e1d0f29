"""A survey: questions in a corner of the page, or in a dialog."""

from collections.abc import Mapping
from html import escape
from typing import Any, ClassVar, Final, Literal

from domain.channels.in_app.message_html import (
    Icon,
    draw_button,
    draw_close,
    draw_dialog,
    draw_icon,
    draw_row,
    draw_text,
    element,
    join_drawn,
)
from domain.channels.in_app.message_kind import InAppKind
from domain.channels.in_app.preview_page import Stage
from domain.surveys.survey import GRADES
from domain.surveys.survey_template import CHOICES, read_survey
from domain.templates.mapping_reader import MappingReader
from domain.templates.shown_parts import PartTree

SurveyPosition = Literal["corner", "modal"]
# From bad to good.
FACES: Final[tuple[Icon, ...]] = ("face1", "face2", "face3", "face4", "face5")
POSITIONS: Final[tuple[SurveyPosition, ...]] = ("corner", "modal")


class InAppSurvey(InAppKind):
    """Questions, of which each answer may choose the next."""

    name = "survey"
    labels = ("close", "survey", "next", "submit", "skip")
    report_events: ClassVar[Mapping[str, str]] = {"completed": "Survey Completed"}

    def read(self, body: MappingReader) -> dict[str, PartTree]:
        return {**read_survey(body), "position": body.read_choice("position", POSITIONS, "corner")}

    def draw(self, content: Mapping[str, Any]) -> tuple[str, Stage]:
        boxes = [_draw_question(content, number) for number in range(len(content["questions"]))]
        if content.get("thanks"):
            thanks = draw_icon("check") + element("div", draw_text(content["thanks"]))
            boxes.append(_draw_box(content, len(boxes), element("div", thanks, "thanks", role="status")))
        return join_drawn(boxes), "over" if content["position"] == "modal" else "corner"


def _draw_question(content: Mapping[str, Any], number: int) -> str:
    question, title = content["questions"][number], content.get("title")
    name = f"q{number}"
    asked = element("div", draw_text(question["text"]), "question", id=name) + _draw_answers(content, question, name)
    over = element("p", escape(title), "over") if title and number == 0 else ""
    return _draw_box(content, number, over + element("div", asked, role="group", aria_labelledby=name))


def _draw_answers(content: Mapping[str, Any], question: Mapping[str, Any], name: str) -> str:
    labels, type = content["labels"], question["type"]
    buttons = [] if question["required"] else [draw_button(labels["skip"], "link")]
    if type in GRADES:
        return _draw_scale(question) + draw_row(buttons)
    if type in CHOICES:
        options = "".join(_draw_option(one, type) for one in question["options"])
        buttons += [draw_button(labels["next"], "primary", is_enabled=False)] if type == "multi" else []
        return element("div", options, "options") + draw_row(buttons)
    buttons.append(draw_button(labels["submit"], "primary", is_enabled=False))
    return element("textarea", "", rows="3", maxlength="4000", aria_labelledby=name) + draw_row(buttons)


def _draw_scale(question: Mapping[str, Any]) -> str:
    grades = GRADES[question["type"]]
    low, high = question.get("low", ""), question.get("high", "")
    buttons = []
    for grade in grades:
        end = {grades[0]: low, grades[-1]: high}.get(grade)
        buttons.append(
            element(
                "button",
                _draw_grade(question["type"], grade),
                type="button",
                aria_label=f"{grade}, {end}" if end else f"{grade}",
            )
        )
    ends = element("span", escape(low)) + element("span", escape(high))
    scale = element("div", "".join(buttons), f"scale {question['type']}")
    return scale + (element("div", ends, "ends", aria_hidden="true") if low or high else "")


def _draw_grade(type: str, grade: int) -> str:
    match type:
        case "csat":
            return draw_icon(FACES[grade - 1])
        case "stars":
            return draw_icon("star")
    return str(grade)


def _draw_option(option: Mapping[str, Any], type: str) -> str:
    label = escape(option["label"])
    if type == "single":
        return element("button", label, "option", type="button")
    return element("label", f'<input type="checkbox">{element("span", label)}', "option")


def _draw_box(content: Mapping[str, Any], number: int, inner: str) -> str:
    part = number / len(content["questions"])
    parts = (
        element("div", "", "bar", style=f"--part: {part:g}")
        + element("div", inner, "main", tabindex="-1")
        + draw_close(content)
    )
    name = content.get("title") or content["labels"]["survey"]
    if content["position"] == "modal":
        return draw_dialog("modal survey", name, parts)
    return element("section", parts, "box corner survey", aria_label=name)
