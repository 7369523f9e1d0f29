"""The web page of the embedded inbox: a list of mails, a page for each, and the same as JSON."""

from collections.abc import Sequence
from html import escape
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from runtime.embedded.mail import ReceivedMail

# A mail is foreign text: no script, no request to anywhere, whatever escaping may have missed.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
table { width: 100%; border-collapse: collapse; }
th, td { text-align: left; vertical-align: top; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8884; }
td { overflow-wrap: anywhere; }
time { white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1rem; border: 1px solid #8884; }
iframe { width: 100%; height: 32rem; border: 1px solid #8884; background: #fff; }
"""


def inbox_page(messages: Sequence[ReceivedMail]) -> Starlette:
    """The application that shows `messages`, which may grow and shrink meanwhile."""

    async def overview(_: Request) -> Response:
        return _page("Inbox", _overview(messages), refresh=True)

    async def one(request: Request) -> Response:
        wanted = request.path_params["number"]
        for mail in messages:
            if mail.number == wanted:
                return _page(mail.subject or "(no subject)", _mail(mail))
        return _page("No such mail", '<p>It is not here, or no longer. <a href="/">Inbox</a></p>', status=404)

    async def as_json(_: Request) -> Response:
        return JSONResponse([_record(mail) for mail in reversed(messages)], headers=HEADERS)

    return Starlette(
        routes=[
            Route("/", overview),
            Route("/messages/{number:int}", one),
            Route("/api/messages", as_json),
        ]
    )


def _page(title: str, body: str, *, refresh: bool = False, status: int = 200) -> HTMLResponse:
    again = '<meta http-equiv="refresh" content="3">' if refresh else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>",
        status,
        HEADERS,
    )


def _overview(messages: Sequence[ReceivedMail]) -> str:
    if not messages:
        return "<p>No mail yet. This page renews itself.</p>"
    rows = "".join(
        f"<tr><td>{_time(mail)}</td><td>{escape(', '.join(mail.recipients))}</td>"
        f'<td><a href="/messages/{mail.number}">{escape(mail.subject or "(no subject)")}</a></td></tr>'
        for mail in reversed(messages)
    )
    return f"<table><thead><tr><th>Received</th><th>To</th><th>Subject</th></tr></thead><tbody>{rows}</tbody></table>"


def _mail(mail: ReceivedMail) -> str:
    envelope = f"<p>{_time(mail)} from {escape(mail.sender)} to {escape(', '.join(mail.recipients))}</p>"
    parts = ['<p><a href="/">Inbox</a></p>', envelope]
    if mail.html is not None:
        # Without allow-same-origin and allow-scripts the mail is shut in; its links open in a tab of their own.
        source = escape('<base target="_blank">' + mail.html)
        sandbox = "allow-popups allow-popups-to-escape-sandbox"
        parts.append(f'<h2>HTML</h2><iframe title="The mail" sandbox="{sandbox}" srcdoc="{source}"></iframe>')
    if mail.text is not None:
        parts.append(f"<h2>Text</h2><pre>{escape(mail.text)}</pre>")
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in mail.headers)
    parts.append(f"<h2>Headers</h2><table>{rows}</table>")
    return "".join(parts)


def _time(mail: ReceivedMail) -> str:
    return f"<time>{mail.received_at:%Y-%m-%d %H:%M:%S} UTC</time>"


def _record(mail: ReceivedMail) -> dict[str, Any]:
    return {
        "number": mail.number,
        "received_at": mail.received_at.isoformat(),
        "sender": mail.sender,
        "recipients": mail.recipients,
        "subject": mail.subject,
        "headers": mail.headers,
        "text": mail.text,
        "html": mail.html,
    }
