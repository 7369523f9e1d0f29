"""The preference centre: topics by channel, the pace, a pause, and everything off.

GET and HEAD change nothing, since mail scanners follow every link. The page shows no address, so that a forwarded mail
reveals none.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from itertools import groupby

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.dependencies import Using
from api.recipient_pages.layout import PAGES, notice, page, paragraph, unusable
from api.recipient_pages.texts import PageTexts, choose_texts
from api.recipient_pages.unsubscribe import Token, read_form
from application.preferences import Chosen, PreferencesView
from domain.errors import SojournError
from domain.people.topics.choices import Choice
from domain.people.topics.subscription import WEEKLY, SubscriptionRef

router = APIRouter(prefix="/preferences", tags=["Recipients"])


@router.get("/{token}", response_class=HTMLResponse, responses=PAGES)
async def show_preferences(token: Token, request: Request, services: Using) -> HTMLResponse:
    """The choices of the recipient. It changes nothing."""
    accepted = request.headers.get("accept-language")
    try:
        view = await services.preferences.describe(token)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    texts = choose_texts(view.locale, accepted)
    return render(texts, view, paragraph(texts.preferences_text))


@router.post("/{token}", response_class=HTMLResponse, responses=PAGES)
async def save_preferences(token: Token, request: Request, services: Using) -> HTMLResponse:
    """Save the choices of the form, or refuse everything. Idempotent.

    A body that is not the form of the page changes nothing.
    """
    accepted = request.headers.get("accept-language")
    form = await read_form(request)
    is_everything = form.get("scope") == ["all"]
    client = request.state.visit.client
    if not is_everything and "pace" not in form:
        return await show_preferences(token, request, services)
    try:
        if is_everything:
            view = await services.preferences.refuse_everything(token, client=client)
        else:
            view = await services.preferences.save(token, _read(form), client=client)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)
    texts = choose_texts(view.locale, accepted)
    return render(texts, view, notice(texts.everything_done if is_everything else texts.saved))


def _read(form: dict[str, list[str]]) -> Chosen:
    return Chosen(
        _read_refs(form.get("shown", ())),
        _read_refs(form.get("topic", ())),
        WEEKLY if form.get("pace") == [WEEKLY] else None,
        "pause" in form,
    )


def _read_refs(names: Iterable[str]) -> set[SubscriptionRef]:
    parts = (name.partition(".") for name in names)
    return {SubscriptionRef(topic, channel) for topic, _, channel in parts}


def render(texts: PageTexts, view: PreferencesView, first: str) -> HTMLResponse:
    """Return the centre; `first` is the HTML below its heading."""
    refused = [
        paragraph(texts.channel_refused.format(channel=texts.channel(channel)), "notice")
        for channel in view.refused_channels
    ]
    parts = [first, *refused, '<form method="post">', *_topics(texts, view.choices), _pace(texts, view)]
    parts += [_pause(texts, view.paused_until), f'<button type="submit">{escape(texts.save)}</button></form>']
    words = ", ".join(texts.channel(channel) for channel in view.channels)
    parts.append(
        f"<section><h2>{escape(texts.everything)}</h2>{paragraph(texts.everything_text.format(channel=words))}"
        '<form method="post"><input type="hidden" name="scope" value="all">'
        f'<button type="submit" class="stop">{escape(texts.everything_button)}</button></form></section>'
    )
    return page(texts, texts.preferences, parts)


def _topics(texts: PageTexts, choices: Sequence[Choice]) -> Iterator[str]:
    for topic, of_topic in groupby(choices, key=lambda one: one.topic):
        boxes = list(of_topic)
        described = [topic.description(texts.language)] if topic.descriptions else []
        described += [texts.required] if topic.is_required else []
        described += [texts.pending] if any(one.is_pending for one in boxes) else []
        quiet = "".join(paragraph(text, "quiet") for text in described)
        labels = "".join(
            _box(
                "checkbox",
                "topic",
                one.ref.name,
                texts.by_channel.format(channel=texts.channel(one.channel)),
                is_on=one.is_on,
                is_fixed=topic.is_required,
            )
            for one in boxes
        )
        shown = "".join(f'<input type="hidden" name="shown" value="{escape(one.ref.name)}">' for one in boxes)
        yield f"<fieldset><legend>{escape(topic.name(texts.language))}</legend>{quiet}{labels}{shown}</fieldset>"


def _pace(texts: PageTexts, view: PreferencesView) -> str:
    return (
        f"<fieldset><legend>{escape(texts.pace)}</legend>"
        f"{_box('radio', 'pace', 'often', texts.often, is_on=view.pace is None)}"
        f"{_box('radio', 'pace', WEEKLY, texts.weekly, is_on=view.pace == WEEKLY)}</fieldset>"
    )


def _pause(texts: PageTexts, until: datetime | None) -> str:
    text = texts.pause_30
    if until is not None:
        month = texts.months.split()[until.month - 1]
        text = texts.paused_until.format(date=texts.date.format(day=until.day, month=month, year=until.year))
    box = _box("checkbox", "pause", "30d", text, is_on=until is not None)
    return f"<fieldset><legend>{escape(texts.pause)}</legend>{box}</fieldset>"


def _box(kind: str, name: str, value: str, label: str, *, is_on: bool, is_fixed: bool = False) -> str:
    checked = (" checked" if is_on else "") + (" disabled" if is_fixed else "")
    return (
        f'<label><input type="{kind}" name="{name}" value="{escape(value)}"{checked}>'
        f"<span>{escape(label)}</span></label>"
    )
