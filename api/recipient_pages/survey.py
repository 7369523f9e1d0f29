"""The page of a survey that a message links to, one question at a time.

GET changes nothing, since mail scanners follow every link: the answer of the link is only chosen. A question jumps by
its answer, so a page without scripts asks the next one after each.
"""

from collections.abc import Iterator
from html import escape
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse

from api.dependencies import TextField, Using
from api.recipient_pages.layout import PAGES, notice, page, paragraph, unusable
from api.recipient_pages.texts import PageTexts, choose_texts
from api.recipient_pages.unsubscribe import Token, read_form
from application.linked_surveys import SurveyProgress
from domain.errors import SojournError
from domain.surveys.answers import MAX_TEXT_CHARACTERS
from domain.surveys.survey import Question, TextNodes
from domain.templates.rich_text_html import draw_rich_text

router = APIRouter(prefix="/survey", tags=["Recipients"])

# Grades that stand in a row on a phone.
MAX_IN_ROW = 5
# A text of the greatest length, each of whose characters is encoded.
_MAX_FORM_BYTES = 12 * MAX_TEXT_CHARACTERS + 1_024

ChosenAnswer = Annotated[
    TextField, Query(max_length=64, description="the grade or the option that the link chooses", examples=["9"])
]


@router.get("/{token}", response_class=HTMLResponse, responses=PAGES)
async def show_survey(token: Token, request: Request, services: Using, answer: ChosenAnswer = "") -> HTMLResponse:
    """The first open question of a survey. It changes nothing."""
    accepted = request.headers.get("accept-language")
    try:
        view = await services.survey_pages.describe(token)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    return render(choose_texts(view.locale, accepted), view, answer if view.is_first else "")


@router.post("/{token}", response_class=HTMLResponse, responses=PAGES)
async def answer_survey(token: Token, request: Request, services: Using) -> HTMLResponse:
    """Take the answer to a question, and ask the next one. The first answer counts."""
    accepted = request.headers.get("accept-language")
    form = await read_form(request, _MAX_FORM_BYTES)
    question_id = "".join(form.get("question", ()))
    try:
        view = await services.survey_pages.answer(token, question_id, [] if "skip" in form else form.get("answer", []))
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    return render(choose_texts(view.locale, accepted), view, "")


def render(texts: PageTexts, view: SurveyProgress, chosen: str) -> HTMLResponse:
    """Return the page of a question, with an answer that is chosen, or the thanks."""
    said = {"kept": texts.survey_kept, "unreadable": texts.survey_unreadable}
    parts = [] if view.outcome is None else [notice(said[view.outcome])]
    if view.question is None:
        thanks = _draw(view.survey.thanks) or paragraph(texts.survey_thanks_text)
        return page(texts, texts.survey_thanks, [thanks])
    title = view.survey.title or texts.survey
    return page(texts, title, [*parts, *_ask(texts, view.question, chosen)])


def _ask(texts: PageTexts, question: Question, chosen: str) -> Iterator[str]:
    yield f'<form method="post"><input type="hidden" name="question" value="{escape(question.id)}">'
    if question.type == "text":
        yield f'<section><div id="question" class="asked">{_draw(question.text)}</div>'
        required = " required" if question.required else ""
        yield (
            f'<textarea name="answer" aria-labelledby="question" rows="5" maxlength="{MAX_TEXT_CHARACTERS}"{required}>'
            "</textarea></section>"
        )
    else:
        yield f"<fieldset><legend>{_draw(question.text)}</legend>"
        yield _grades(question, chosen) if question.grades else _options(question, chosen)
        yield "</fieldset>"
    yield f'<div class="actions"><button type="submit">{escape(texts.survey_send)}</button>'
    if not question.required:
        skip = escape(texts.survey_skip)
        yield f'<button type="submit" class="plain" name="skip" value="1" formnovalidate>{skip}</button>'
    yield "</div></form>"


def _grades(question: Question, chosen: str) -> str:
    sign = " ★" if question.type == "stars" else ""
    grades = "".join(_box("radio", question, str(grade), f"{grade}{sign}", chosen) for grade in question.grades)
    ends = "".join(f"<span>{escape(end or '')}</span>" for end in (question.low, question.high))
    scale = f'<p class="quiet ends">{ends}</p>' if question.low or question.high else ""
    width = " many" if len(question.grades) > MAX_IN_ROW else ""
    return f'<div class="grades{width}">{grades}</div>{scale}'


def _options(question: Question, chosen: str) -> str:
    kind = "radio" if question.type == "single" else "checkbox"
    return "".join(_box(kind, question, one.value, escape(one.label), chosen) for one in question.options)


def _box(kind: str, question: Question, value: str, label: str, chosen: str) -> str:
    """Return a choice, whose `label` is HTML."""
    marks = (" checked" if value == chosen else "") + (" required" if question.required and kind == "radio" else "")
    return f'<label><input type="{kind}" name="answer" value="{escape(value)}"{marks}><span>{label}</span></label>'


def _draw(text: TextNodes) -> str:
    return draw_rich_text(text, is_standalone=True)
