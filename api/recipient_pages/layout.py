"""The frame of the pages for recipients: HTML, style and headers.

A page is one document without scripts, images or fonts of elsewhere. It is read at 320 pixels, at twice the size of
text, in light and in dark, and by screen readers (WCAG 2.2, AA).
"""

from collections.abc import Iterable
from html import escape
from typing import Any, Final

from fastapi.responses import HTMLResponse

from api.problems import refusals
from api.recipient_pages.texts import PageTexts
from domain.errors import ClosedSurveyError, InvalidRequestError, PreviewLinkError, SojournError

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    # The page's address contains the token.
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language",
}
PAGES: Final[dict[int | str, dict[str, Any]]] = {
    404: {"description": "A page: the link does not work", "content": {"text/html": {"schema": {"type": "string"}}}},
    503: {"description": "A page: come back later", "content": {"text/html": {"schema": {"type": "string"}}}},
    **refusals(InvalidRequestError, SojournError),
}

# Contrast: text 15.9:1 and 14.5:1, quiet text 7.5:1 and 8.6:1, borders of fields 4.6:1 and 5.3:1.
_STYLE: Final = """
:root { color-scheme: light dark; --back: #f6f6f4; --card: #fff; --text: #1d1f23; --quiet: #4d525b; --line: #d9dadd;
  --field: #6c727c; --strong: #1f5fbf; --on-strong: #fff; --calm: #eaf1fb; --stop: #a3231f; }
@media (prefers-color-scheme: dark) { :root { --back: #17191d; --card: #202329; --text: #eceef1; --quiet: #b6bcc6;
  --line: #363b44; --field: #8d95a1; --strong: #8ab8ff; --on-strong: #10233f; --calm: #22324b; --stop: #ff9a94; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 1.0625rem/1.55 system-ui, sans-serif;
  overflow-wrap: anywhere; hyphens: auto; }
main { max-width: 36rem; margin: 0 auto; padding: clamp(1.5rem, 6vh, 4rem) 1rem 3rem; }
h1 { font-size: 1.625rem; line-height: 1.25; margin: 0 0 .75rem; text-wrap: balance; }
h2 { font-size: 1.1875rem; line-height: 1.3; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; }
section button { margin-bottom: .375rem; }
section, fieldset { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; margin: 0 0 1rem;
  padding: 1.125rem 1.25rem .875rem; min-width: 0; }
fieldset > legend { float: left; width: 100%; padding: 0 0 .125rem; font-weight: 600; font-size: 1.0625rem; }
fieldset > legend + * { clear: both; }
.quiet { color: var(--quiet); margin: 0 0 .5rem; font-size: .9375rem; }
.notice { background: var(--calm); border-radius: .75rem; padding: .875rem 1.25rem; margin: 0 0 1.25rem; }
label { display: flex; gap: .75rem; align-items: flex-start; padding: .5rem 0; min-height: 2.75rem; cursor: pointer; }
input { flex: none; width: 1.375rem; height: 1.375rem; margin: .1rem 0 0; accent-color: var(--strong); }
input:disabled + span { color: var(--quiet); }
.grades { display: grid; grid-template-columns: repeat(5, 1fr); gap: .3rem; }
.grades.many { grid-template-columns: repeat(6, 1fr); }
@media (min-width: 36rem) { .grades.many { grid-template-columns: repeat(11, 1fr); } }
.grades label { position: relative; display: block; padding: 0; }
.grades input { position: absolute; inset: 0; width: 100%; height: 100%; margin: 0; opacity: 0; cursor: pointer; }
.grades label > span { display: flex; justify-content: center; align-items: center; gap: .25rem; min-height: 2.75rem;
  border: 2px solid var(--field); border-radius: .625rem; font-weight: 600; white-space: nowrap; }
.grades input:checked + span { background: var(--strong); border-color: var(--strong); color: var(--on-strong); }
.grades input:focus-visible + span { outline: 3px solid var(--strong); outline-offset: 3px; }
.asked { font-weight: 600; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; }
.ends { display: flex; justify-content: space-between; gap: 1rem; margin: .375rem 0 .5rem; }
.ends span + span { text-align: end; }
textarea { font: inherit; width: 100%; padding: .625rem .75rem; border: 2px solid var(--field); border-radius: .625rem;
  background: var(--back); color: inherit; resize: vertical; margin-bottom: .375rem; }
button { font: inherit; font-weight: 600; min-height: 2.875rem; padding: .55rem 1.375rem; border-radius: .625rem;
  border: 2px solid var(--strong); background: var(--strong); color: var(--on-strong); cursor: pointer;
  max-width: 100%; }
button.plain { background: transparent; color: var(--strong); }
button.stop { background: transparent; border-color: var(--stop); color: var(--stop); }
form + form, form + section { margin-top: 2rem; }
:focus-visible { outline: 3px solid var(--strong); outline-offset: 3px; }
a { color: var(--strong); }
"""


def page(texts: PageTexts, title: str, parts: Iterable[str], status: int = 200) -> HTMLResponse:
    """Return a page with a heading. `parts` are HTML."""
    body = "\n".join(parts)
    html = (
        f'<!doctype html>\n<html lang="{escape(texts.language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{escape(title)}</h1>\n{body}\n</main>\n</body>\n</html>\n"
    )
    return HTMLResponse(html, status, HEADERS)


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph; `kind` is a class of the style."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def notice(text: str) -> str:
    """Return a note on what was done, which screen readers read first."""
    return f'<p class="notice" role="status">{escape(text)}</p>'


def button_form(label: str, kind: str = "", **fields: str) -> str:
    """Return a form of one button with hidden fields."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name.replace("_", "-"))}" value="{escape(value)}">'
        for name, value in fields.items()
    )
    return f'<form method="post">{hidden}<button type="submit"{_class(kind)}>{escape(label)}</button></form>'


def unusable(texts: PageTexts, error: SojournError) -> HTMLResponse:
    """Return a page for a person, rather than a problem document."""
    if error.status >= 500:
        return page(texts, texts.try_again, [paragraph(texts.try_again_text)], 503)
    if isinstance(error, PreviewLinkError):
        return page(texts, texts.preview, [paragraph(texts.preview_text)], error.status)
    if isinstance(error, ClosedSurveyError):
        return page(texts, texts.survey_closed, [paragraph(texts.survey_closed_text)], error.status)
    return page(texts, texts.broken, [paragraph(texts.broken_text)], error.status)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
