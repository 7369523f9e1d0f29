"""The pages of unsubscribe links.

GET only asks, since mail scanners follow every link. POST unsubscribes: from a button of that page, or in one click
from the mail program (RFC 8058), which sends no cookie and no key, only the signed token.
"""

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse

from api.dependencies import TextField, Using
from api.recipient_pages.layout import PAGES, button_form, page, paragraph, unusable
from api.recipient_pages.texts import PageTexts, choose_texts
from application.unsubscribe import UnsubscribeView
from domain.errors import SojournError

router = APIRouter(prefix="/unsubscribe", tags=["Recipients"])

Token = Annotated[
    TextField,
    Path(description="the signed token of the link", examples=["uWyJwcm9maWxlIiwiZW1haWwiXQ.c2lnbmF0dXJl"]),
]
# The forms of the pages are small; a mail program sends one field.
MAX_FORM_BYTES = 16_384


@router.get("/{token}", response_class=HTMLResponse, responses=PAGES)
async def confirm_unsubscribe(token: Token, request: Request, services: Using) -> HTMLResponse:
    """A page with a button. It changes nothing."""
    accepted = request.headers.get("accept-language")
    try:
        view = await services.unsubscribe.describe(token)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    return render_question(choose_texts(view.locale, accepted), view)


@router.post("/{token}", response_class=HTMLResponse, responses=PAGES)
async def unsubscribe(token: Token, request: Request, services: Using) -> HTMLResponse:
    """Unsubscribe, with any body, such as `List-Unsubscribe=One-Click`. Idempotent.

    With `scope=all` it is everything on the channel, else the topic of the message, if it has one.
    """
    accepted = request.headers.get("accept-language")
    form = await read_form(request)
    try:
        view = await services.unsubscribe(token, everything=form.get("scope") == ["all"])
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    is_all = form.get("scope") == ["all"]
    return render_result(choose_texts(view.locale, accepted), view, is_all=is_all)


def render_question(texts: PageTexts, view: UnsubscribeView) -> HTMLResponse:
    """Return the page that asks, which says exactly what stops."""
    words = {"channel": texts.channel(view.channel)}
    channel_form = button_form(
        texts.stop_channel_button.format(**words),
        "plain" if view.topic else "",
        List_Unsubscribe="One-Click",
        scope="all",
    )
    if view.topic is None:
        text = paragraph(texts.stop_channel_text.format(**words))
        return page(texts, texts.stop_channel.format(**words), [text, channel_form])
    words["topic"] = view.topic.name(texts.language)
    parts = [
        paragraph(texts.stop_topic_text.format(**words)),
        button_form(texts.stop_topic_button.format(**words), List_Unsubscribe="One-Click"),
        f"<section><h2>{escape(texts.stop_channel.format(**words))}</h2>"
        f"{paragraph(texts.stop_channel_text.format(**words))}{channel_form}</section>",
    ]
    return page(texts, texts.stop_topic.format(**words), parts)


def render_result(texts: PageTexts, view: UnsubscribeView, *, is_all: bool) -> HTMLResponse:
    """Return the page after an unsubscription, of the topic or of all."""
    words = {"channel": texts.channel(view.channel)}
    text = texts.stopped_channel.format(**words)
    if view.topic is not None and not is_all:
        text = texts.stopped_topic.format(topic=view.topic.name(texts.language), **words)
    return page(texts, texts.stopped, [paragraph(text)])


async def read_form(request: Request, max_bytes: int = MAX_FORM_BYTES) -> dict[str, list[str]]:
    """Return the fields of a form; none of a body that is not one."""
    body = await request.body()
    if len(body) > max_bytes:
        return {}
    return parse_qs(body.decode("ascii", "replace"))
