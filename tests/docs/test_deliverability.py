"""docs/deliverability.md is true: its commands and calls are made, and its limits are those of the code."""

import asyncio
import re
import shlex
from pathlib import Path
from typing import get_args

from api.deliverability import MAX_DAYS
from application.operations.release import RATE
from application.reports import Reports
from cli.main import run
from domain.sending import deliverability
from domain.sending.deliverability import PauseCause
from store.delivery_counts import LIFETIME
from tests.cli.conftest import Output, api_url, deployment, folder, no_logs
from tests.docs.curl import curl_lines, read_curl
from tests.docs.tables import rows
from tests.engine.delivered import about, handed_over, report
from tests.engine.pausing import reports
from tests.engine.test_provider_routes import put_providers
from tests.harness import ADMIN_KEY, Harness

__all__ = ["api_url", "deployment", "folder", "no_logs", "reports"]  # fixtures

PAGE = (Path(__file__).parents[2] / "docs" / "deliverability.md").read_text()
COMMANDS = re.findall(r"^(sojourn .*)$", PAGE, re.MULTILINE)
HEADER, *_ = re.findall(r"^(PROVIDER .*)$", PAGE, re.MULTILINE)
DOCUMENT = "providers: {postmark: {kind: postmark, channel: email, token: {env: SOJOURN_SECRET_POSTMARK}}}"


async def test_the_commands_and_the_calls_of_the_page(
    harness: Harness, reports: Reports, deployment: str, capsys: Output
) -> None:
    await put_providers(harness, DOCUMENT)
    ids = await handed_over(harness, 1_000, "postmark")
    await report(reports, [*about(ids), *about(ids[:5], "complained")], "postmark")
    shown = []
    for line in COMMANDS:
        assert await asyncio.to_thread(run, shlex.split(line, comments=True)[1:]) == 0, (line, capsys.readouterr())
        shown.append(capsys.readouterr().out)
    assert shown[0].splitlines()[0].split() == HEADER.split()
    assert shown[0].splitlines()[1].split()[:5] == ["postmark", "gmail.com", "1,000", "1,000", "(100.00%)"]
    assert "marketing by postmark is paused since " in shown[0]
    assert ": 5 complaints in 1,000 messages (0.50%, at most 0.1%)" in shown[0]
    assert shown[-1].startswith("marketing by postmark goes on since ")
    for text in curl_lines(PAGE):
        call = read_curl(text, {"KEY": ADMIN_KEY})
        answer = await harness.http.send(call.request)
        assert answer.status_code == call.status, answer.text
    assert answer.json()["pause"]["resumed_at"] is not None


def test_the_limits_are_those_of_the_code() -> None:
    stated = {row[0].strip("`"): row[1:] for row in rows(PAGE, "## Pauses")}
    assert list(stated) == list(get_args(PauseCause))
    complaints, bounces = stated.values()
    least = f"{deliverability.MIN_MESSAGES:,}"
    assert complaints[0].startswith(f"above {deliverability.MAX_COMPLAINTS:.1%}".replace("%", " %"))
    assert complaints[1].startswith(f"{least} deliveries and {deliverability.MIN_COMPLAINTS} complaints")
    assert bounces[0].startswith(f"above {deliverability.MAX_HARD_BOUNCES:.0%}".replace("%", " %"))
    assert bounces[1].startswith(least)
    assert f"at most {MAX_DAYS}" in PAGE
    assert f"for {LIFETIME.days} days" in PAGE
    assert f"{RATE:.0f} journeys a second" in PAGE
    assert f"once {deliverability.MIN_MAILED_COMPLAINTS} recipients have sent one" in PAGE
    assert [window.days for window in deliverability.WINDOWS] == [1, 3]
