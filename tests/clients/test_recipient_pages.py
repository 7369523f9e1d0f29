"""The pages for recipients in a real browser, by the rules of WCAG 2.2 AA, at 320 pixels, in light and in dark.

Source of the rules: axe-core from npm, in Debian's Chromium.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import unquote

import pytest

from api.recipient_pages import confirm, preferences, survey, unsubscribe
from api.recipient_pages.layout import notice, unusable
from api.recipient_pages.texts import LANGUAGES, choose_texts
from application.confirmations import ConfirmationView
from application.linked_surveys import SurveyProgress
from application.preferences import PreferencesView
from application.unsubscribe import UnsubscribeView
from domain.errors import InvalidLinkError, PreviewLinkError
from domain.people.topics.choices import Choice
from domain.people.topics.deployed import TopicRule
from domain.surveys.survey import Option, Question, Survey
from tests.clients.axe import AXE, RULES
from tests.clients.test_browsers import browser
from tests.harness import PATIENCE, looks

NEWS = TopicRule("news", {"en": "Newsletter", "de": "Rundbrief"}, ("email",), descriptions={"en": "Once a month"})
TERMS = TopicRule("terms", {"": "Your contract"}, ("email",), is_required=True)
LONG = TopicRule("long", {"": "Donaudampfschifffahrtsgesellschaft " * 3}, ("email", "sms"), "double")
ASKED = [
    {
        "t": "p",
        "c": [
            {"t": "text", "v": "How likely are you to <recommend> "},
            {"t": "a", "href": "https://shop.example.com/?a=1&b=2", "c": [{"t": "text", "v": "the shop"}]},
            {"t": "text", "v": "?"},
        ],
    }
]
OPTIONS = (Option("price", "The price"), Option("long", "Donaudampfschifffahrtsgesellschaft " * 3))
QUESTIONS = (
    Question("nps", "nps", ASKED, required=True, low="not at all", high="very likely"),
    Question("csat", "csat", ASKED, required=True, low="bad"),
    Question("stars", "stars", ASKED),
    Question("single", "single", ASKED, required=True, options=OPTIONS),
    Question("multi", "multi", ASKED, options=OPTIONS),
    Question("text", "text", ASKED, required=True),
)
ASKING = Survey(QUESTIONS, thanks=ASKED, title="How did we do?")
WIDTH = 320
FRAMES = """<!doctype html><html lang="en"><title>Pages</title><body>
<script>
fetch("/names").then(names => names.json()).then(async names => {
  for (const name of names) {
    await new Promise(done => {
      const frame = document.createElement("iframe");
      frame.width = WIDTH; frame.height = 800; frame.src = name;
      addEventListener("message", () => { frame.remove(); done(); }, {once: true});
      document.body.append(frame);
    });
  }
});
</script></body></html>""".replace("WIDTH", str(WIDTH))
CHECK = """<script src="/axe.js"></script><script>
axe.run(document, {runOnly: TAGS, resultTypes: ["violations", "incomplete"]}).then(async found => {
  const faults = found.violations.map(one => [one.id, one.nodes.map(node => node.html + " " + node.failureSummary)]);
  const unclear = found.incomplete.map(one => [one.id, one.nodes.map(node => node.html)]);
  const width = document.documentElement.scrollWidth;
  await fetch("/results", {method: "POST", body: JSON.stringify({name: location.pathname, faults, unclear, width,
    passes: found.passes.length, back: getComputedStyle(document.body).backgroundColor})});
  parent.postMessage("done", "*");
});
</script>""".replace("TAGS", json.dumps(RULES))


def pages(language: str) -> Mapping[str, bytes]:
    """Every page in every state, as the routes answer."""
    texts = choose_texts(language)
    choices = [
        Choice(NEWS, "email", is_on=True, is_pending=False),
        Choice(LONG, "email", is_on=False, is_pending=True),
        Choice(LONG, "sms", is_on=False, is_pending=False),
        Choice(TERMS, "email", is_on=True, is_pending=False),
    ]
    until = datetime(2026, 12, 24, tzinfo=UTC)
    centre = PreferencesView("email", language, choices, ["email", "sms"], ["sms"], "weekly", until)
    answers = {
        "centre": preferences.render(texts, centre, notice(texts.saved)),
        "unsubscribe-topic": unsubscribe.render_question(texts, UnsubscribeView("email", NEWS, language)),
        "unsubscribe-channel": unsubscribe.render_question(texts, UnsubscribeView("email", None, language)),
        "unsubscribed": unsubscribe.render_result(texts, UnsubscribeView("email", NEWS, language), is_all=False),
        "confirm-waiting": confirm.render(ConfirmationView("email", LONG, "waiting", language), None),
        "confirm-confirmed": confirm.render(ConfirmationView("email", NEWS, "confirmed", language), None),
        "confirm-over": confirm.render(ConfirmationView("email", NEWS, "over", language), None),
        **{
            f"survey-{one.id}": survey.render(texts, SurveyProgress(ASKING, one, language, "kept"), "3")
            for one in QUESTIONS
        },
        "survey-unreadable": survey.render(texts, SurveyProgress(ASKING, QUESTIONS[5], language, "unreadable"), ""),
        "survey-over": survey.render(texts, SurveyProgress(ASKING, None, language), ""),
        "survey-plain": survey.render(texts, SurveyProgress(Survey(QUESTIONS[:1]), None, language), ""),
        "broken": unusable(texts, InvalidLinkError("no")),
        "preview": unusable(texts, PreviewLinkError("no")),
    }
    return {f"{language}/{name}": bytes(answer.body) for name, answer in answers.items()}


class Pages(ThreadingHTTPServer):
    """A server of the pages, each in light and in dark, with the script that checks it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.results: list[dict[str, Any]] = []
        self.pages: dict[str, bytes] = {}
        for language in LANGUAGES:
            for name, body in pages(language).items():
                checked = body.replace(b"</body>", CHECK.encode() + b"</body>")
                self.pages[f"/{name}/light"] = checked
                # As if the person preferred it.
                self.pages[f"/{name}/dark"] = checked.replace(b"(prefers-color-scheme: dark)", b"(min-width: 0)")


class _Handler(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        fixed = {
            "/": FRAMES.encode(),
            "/names": json.dumps(list(self.server.pages)).encode(),
            "/axe.js": AXE.read_bytes(),
        }
        body = {**fixed, **self.server.pages}.get(unquote(self.path), b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "text/javascript" if self.path == "/axe.js" else "text/html; charset=utf-8")
        if self.path == "/axe.js":
            # Else each page would load and compile it anew.
            self.send_header("Cache-Control", "max-age=3600")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.results.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.mark.takes_long
async def test_every_page_is_readable_by_everybody(tmp_path: Path) -> None:
    with Pages() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            async with browser(tmp_path, f"http://127.0.0.1:{server.server_address[1]}/"):
                # A busy machine takes minutes for all of them, but not for one.
                checked = 0
                while checked < len(server.pages):
                    async for is_last in looks(PATIENCE):
                        if len(server.results) > checked:
                            break
                        assert not is_last, (checked, server.results[-1:])
                    checked = len(server.results)
        finally:
            server.shutdown()
            thread.join()
    assert {one["name"]: one["faults"] for one in server.results if one["faults"]} == {}
    assert {one["name"]: one["unclear"] for one in server.results if one["unclear"]} == {}
    assert {one["name"]: one["width"] for one in server.results if one["width"] > WIDTH} == {}
    # The rules were applied, and dark is another page than light.
    assert min(one["passes"] for one in server.results) > 10
    backs = {one["name"].rpartition("/")[2]: one["back"] for one in server.results}
    assert backs["light"] != backs["dark"]
