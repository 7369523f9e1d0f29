"""docs/reports.md is true: its document is valid, its callbacks become the events beside them, its tables are right."""

import json
import re
from pathlib import Path
from typing import get_args
from urllib.parse import parse_qsl

import pytest
from msgspec.structs import replace

from channels.call.hubspot_reports import find_completed
from channels.registry import PROVIDERS
from domain.sending.ledger_marks import MARK_TIMES
from domain.sending.providers_document import parse_providers
from domain.sending.report_events import build_event
from domain.sending.reports import ProviderReport, ReportKind
from domain.sending.routes import ProviderRule
from tests.channels import test_text_readers, test_whatsapp, whatsapp_callbacks
from tests.channels.recorded_callbacks import NOW, Recorded
from tests.channels.recorded_chat_callbacks import CHATWOOT, INTERCOM
from tests.channels.recorded_email_callbacks import BREVO, MAILGUN, POSTMARK, RESEND, SENDGRID
from tests.channels.recorded_post_callbacks import LOB
from tests.channels.sns_topic import CERTIFICATE_URL, KEY, SES, certificate
from tests.channels.test_report_readers import reader_of, request
from tests.docs.tables import rows
from tests.engine.reporting import reported_message

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text()
REPORT_KINDS = get_args(ReportKind)
SIGNERS = {one.name: one for one in (POSTMARK, RESEND, SENDGRID, MAILGUN, BREVO, SES, LOB, CHATWOOT, INTERCOM)}
FORMS = re.findall(r"^```(?:form|callback) (\w+)\n(.*?)^```\n+```json event\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = re.findall(r"^```json (?!event)(\w+)\n(.*?)^```\n+```json event\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_document_is_valid() -> None:
    [document] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    rules = [rule for rule in parse_providers(document, "providers.yaml") if isinstance(rule, ProviderRule)]
    assert set(SIGNERS) <= {rule.kind for rule in rules}


@pytest.mark.parametrize(("kind", "callback", "event"), EXAMPLES, ids=[kind for kind, *_ in EXAMPLES])
async def test_a_callback_becomes_the_event(
    kind: str, callback: str, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fetch(url: str) -> bytes:
        assert url == CERTIFICATE_URL
        return certificate(KEY)

    monkeypatch.setattr("channels.sns.fetch_url", fetch)
    recorded: Recorded = SIGNERS[kind]
    [report] = await reader_of(recorded)(request(recorded, json.loads(callback)), NOW)
    assert isinstance(report, ProviderReport)
    message = replace(reported_message(report.message_id), channel=recorded.channel)
    made = build_event(kind, report, message)
    assert made is not None
    assert {"event": made.name, "properties": made.properties} == json.loads(event)


@pytest.mark.parametrize(("kind", "form", "event"), FORMS, ids=[kind for kind, *_ in FORMS])
async def test_a_callback_about_a_text_becomes_the_event(
    kind: str, form: str, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    match kind:
        case "twilio":
            callback = test_text_readers.called(**dict(parse_qsl(form.strip())))
            [report] = await test_text_readers.reader_of()(callback, test_text_readers.NOW)
        case "vonage":
            callback = test_text_readers.by_vonage(json.loads(form))
            [report] = await test_text_readers.reader_of(test_text_readers.VONAGE)(callback, test_text_readers.NOW)
        case "whatsapp":
            callback = whatsapp_callbacks.called(json.loads(form), test_whatsapp.SECRET)
            [report] = await test_whatsapp.reader_of()(callback, test_whatsapp.NOW)
        case _:
            [report] = await test_text_readers.published(json.loads(form), monkeypatch)
    assert isinstance(report, ProviderReport)
    channel = "whatsapp" if kind == "whatsapp" else "sms"
    made = build_event(kind, report, replace(reported_message(report.message_id), channel=channel))
    assert made is not None
    assert {"event": made.name, "properties": made.properties} == json.loads(event)


def test_every_provider_has_an_example_and_a_row() -> None:
    assert {kind for kind, *_ in EXAMPLES} == set(SIGNERS)
    [completed] = re.findall(r"^```json hubspot\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert [find_completed(event) for event in json.loads(completed)] == ["512"]
    listed = {row[0].strip("`") for row in rows(PAGE, "## Set up callbacks")}
    assert listed == {"hubspot", "console", *SIGNERS, *(kind for kind, *_ in FORMS)}
    assert listed == {kind.name for kind in PROVIDERS if kind.open_reader}


def test_every_kind_is_listed_with_its_column() -> None:
    found = (re.fullmatch(r"\| `(\w+)` \| (.*?) ?\|", line) for line in PAGE.splitlines())
    listed = {row[1]: row[2].strip("`") for row in found if row and row[1] in REPORT_KINDS}
    assert set(listed) == set(REPORT_KINDS)
    columns = {f"{kind}_at": column for kind, column in listed.items() if column}
    assert all(column == name for name, column in columns.items())
    assert set(columns) | {"machine_at"} == set(MARK_TIMES)
