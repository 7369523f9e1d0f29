"""The page that confirms a subscription.

GET only asks, since mail scanners follow every link.
"""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from api.dependencies import Using
from api.recipient_pages.layout import PAGES, button_form, page, paragraph, unusable
from api.recipient_pages.texts import choose_texts
from api.recipient_pages.unsubscribe import Token
from application.confirmations import ConfirmationView
from domain.errors import SojournError

router = APIRouter(prefix="/confirm", tags=["Recipients"])


@router.get("/{token}", response_class=HTMLResponse, responses=PAGES)
async def show_confirmation(token: Token, request: Request, services: Using) -> HTMLResponse:
    """A page with a button. It changes nothing."""
    accepted = request.headers.get("accept-language")
    try:
        return render(await services.confirmations.describe(token), accepted)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)


@router.post("/{token}", response_class=HTMLResponse, responses=PAGES)
async def confirm_subscription(token: Token, request: Request, services: Using) -> HTMLResponse:
    """Confirm the subscription of the link. Idempotent."""
    accepted = request.headers.get("accept-language")
    client = request.state.visit.client
    try:
        return render(await services.confirmations(token, client=client), accepted)
    except SojournError as error:
        return unusable(choose_texts(None, accepted), error)


def render(view: ConfirmationView, accepted: str | None) -> HTMLResponse:
    """Return the page of a subscription in its state."""
    texts = choose_texts(view.locale, accepted)
    words = {"topic": view.topic.name(texts.language), "channel": texts.channel(view.channel)}
    match view.state:
        case "waiting":
            parts = [paragraph(texts.confirm_text.format(**words)), button_form(texts.confirm_button.format(**words))]
            return page(texts, texts.confirm.format(**words), parts)
        case "confirmed":
            return page(texts, texts.confirmed, [paragraph(texts.confirmed_text.format(**words))])
        case "over":
            return page(texts, texts.over, [paragraph(texts.over_text)])
