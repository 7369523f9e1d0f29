"""The contract of every reader: each recorded callback is its report, and nothing that is forged is read."""

import asyncio
import binascii
import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from channels.registry import PROVIDERS, open_reader
from channels.sns import MAX_FETCHES, MAX_WAITING_FETCHES
from domain.errors import InvalidRequestError, UnavailableError, UnverifiedCallbackError
from domain.sending.outbound_secrets import BoundSecret, SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.reports import Callback, IncomingReport, ProviderReport, ReportReader
from domain.sending.routes import ProviderRule
from tests.channels import sns_topic
from tests.channels.phone_accounts import NAMES as TEXT_READERS
from tests.channels.recorded_callbacks import HAPPENED, MESSAGE, NOW, Recorded, Told
from tests.channels.recorded_chat_callbacks import CHATWOOT, INTERCOM
from tests.channels.recorded_email_callbacks import BREVO, MAILGUN, POSTMARK, RESEND, SENDGRID, mailgun
from tests.channels.recorded_post_callbacks import LOB
from tests.channels.sns_topic import CERTIFICATE_URL, KEY, SES, SUBSCRIBE_URL, certificate, new_key, publish

ALL = [POSTMARK, RESEND, SENDGRID, MAILGUN, BREVO, SES, LOB, CHATWOOT, INTERCOM]
SIGNED = [one for one in ALL if one.is_timed]
NAMED = [pytest.param(one, id=one.name) for one in ALL]
HOOK = {"callback_secret": {"env": "SOJOURN_SECRET_HOOK"}}


class Aws:
    """The pages of SNS by their URL, and those that were got."""

    def __init__(self) -> None:
        self.pages = {CERTIFICATE_URL: certificate(KEY), SUBSCRIBE_URL: b"<ConfirmSubscriptionResponse/>"}
        self.fetched: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.at_once = self.most_at_once = 0

    async def __call__(self, url: str) -> bytes:
        self.fetched.append(url)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.answers.wait()
        self.at_once -= 1
        if url not in self.pages:
            raise UnavailableError("not there")
        return self.pages[url]


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setattr("channels.sns.fetch_url", found := Aws())
    return found


def reader_of(recorded: Recorded, secret: str | None = None) -> ReportReader:
    secrets = ProviderSecrets(
        [
            BoundSecret("a-token-of-the-tests", place="SOJOURN_SECRET_TOKEN"),
            BoundSecret(recorded.secret if secret is None else secret, place="SOJOURN_SECRET_HOOK"),
        ]
    )
    settings = {"channel": recorded.channel, **recorded.settings, **(HOOK if recorded.secret else {})}
    reader = open_reader(ProviderRule(recorded.name, recorded.name, recorded.channel, settings), secrets)
    assert reader is not None
    return reader


def request(recorded: Recorded, body: Any, age: timedelta = timedelta(seconds=10)) -> Callback:
    content, headers = recorded.sign(json.dumps(body).encode(), NOW - age)
    return Callback("POST", "https://sojourn.example.com/v1/callbacks/p", headers, content)


def changed(callback: Callback, **to: Any) -> Callback:
    return replace(callback, **to)


@pytest.mark.parametrize(
    ("recorded", "body", "told"),
    [
        pytest.param(one, body, told, id=f"{one.name}-{number}-{told.kind if told else 'nothing'}")
        for one in ALL
        for number, (body, told) in enumerate(one.callbacks)
    ],
)
async def test_each_callback_is_its_report(recorded: Recorded, body: Any, told: Told | None) -> None:
    read = reader_of(recorded)
    reports = await read(request(recorded, body), NOW)
    if told is None:
        assert reports == []
        return
    [report] = reports
    assert isinstance(report, ProviderReport)
    assert (report.message_id, report.at) == (MESSAGE, HAPPENED)
    assert Told(report.kind, report.bounce, report.is_machine, report.link, report.user_agent) == told
    assert report.provider_id
    # No address, and nothing that the recipient's server wrote.
    assert "john" not in repr(report)
    # Sent again, it is the same.
    assert await read(request(recorded, body), NOW) == reports


@pytest.mark.parametrize("recorded", NAMED)
async def test_every_kind_of_report_has_an_id_of_its_own(recorded: Recorded) -> None:
    read = reader_of(recorded)
    reports: list[IncomingReport] = []
    for body, _ in recorded.callbacks:
        if not (isinstance(body, dict) and str(body.get("event")).startswith("unique_")):
            reports += await read(request(recorded, body), NOW)
    ids = {report.event_id for report in reports}
    assert len(ids) == len(reports)
    assert all(0 < len(id) <= 200 for id in ids)


@pytest.mark.parametrize("recorded", NAMED)
async def test_what_another_has_signed_is_refused(recorded: Recorded, aws: Aws) -> None:
    body, _ = recorded.callbacks[0]
    callback = request(recorded, body)
    if recorded is SES:
        aws.pages[CERTIFICATE_URL] = certificate(new_key())
    with pytest.raises(UnverifiedCallbackError):
        await reader_of(recorded, recorded.another)(callback, NOW)


@pytest.mark.parametrize("recorded", NAMED)
async def test_what_is_not_signed_is_refused(recorded: Recorded) -> None:
    body, _ = recorded.callbacks[0]
    read, bare = reader_of(recorded), json.dumps(body).encode()
    for content in (bare, b"", b"{", b"null", b"[]", b"\xff", b'{"signature": 7}', b'{"TopicArn": ["x"]}'):
        for headers in ({}, {"authorization": "Basic %"}, {"authorization": "Bearer"}, {"svix-id": "1"}):
            with pytest.raises(UnverifiedCallbackError):
                await read(Callback("POST", "https://s.example", headers, content), NOW)


def flips(content: bytes) -> Iterator[bytes]:
    """The content with one byte changed, at each of some places."""
    for place in range(0, len(content), max(1, len(content) // 40)):
        yield content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("recorded", [pytest.param(one, id=one.name) for one in ALL if one.is_body_signed])
async def test_a_changed_byte_is_refused(recorded: Recorded) -> None:
    callback = request(recorded, recorded.callbacks[0][0])
    read, [report] = reader_of(recorded), await reader_of(recorded)(callback, NOW)
    for content in flips(callback.body):
        try:
            read_anyway = await read(changed(callback, body=content), NOW)
        except (UnverifiedCallbackError, UnavailableError):
            continue
        # In what surrounds the signed fields of SNS: the report is as it was.
        assert recorded is SES
        assert read_anyway == [report]
    for name, value in callback.headers.items():
        if name.startswith(("svix", "x-twilio", "lob", "x-hub", "x-chatwoot")):
            for text in flips(value.encode()):
                # The foreign one of two signatures may be any, and the last bits of base64 stand for nothing.
                is_svix = name == "svix-signature" and text.endswith(value[-20:].encode())
                is_same = name.endswith("webhook-signature") and decoded(text) == decoded(value.encode())
                if is_svix or is_same:
                    continue
                with pytest.raises(UnverifiedCallbackError):
                    await read(changed(callback, headers={**callback.headers, name: text.decode("latin-1")}), NOW)


def decoded(text: bytes) -> bytes | None:
    try:
        return b64decode(text, validate=True)
    except binascii.Error:
        return None


async def test_brevo_s_two_reports_of_a_first_opening_are_one() -> None:
    read = reader_of(BREVO)
    opening, again = (one[0] for one in BREVO.callbacks if one[0]["event"] in ("opened", "unique_opened"))
    # They are made within a second.
    again = {**again, "ts_epoch": again["ts_epoch"] + 150}
    ids = [report.event_id for body in (opening, again) for report in await read(request(BREVO, body), NOW)]
    assert len(ids) == 2
    assert len({*ids}) == 1
    for name, value in (("ts_epoch", opening["ts_epoch"] + 5_000), ("X-Mailin-custom", str(UUID(int=7)))):
        [other] = await read(request(BREVO, {**opening, name: value}), NOW)
        assert other.event_id != ids[0]


@pytest.mark.parametrize("kind", ["delivered", "stored", "a kind of tomorrow"])
async def test_a_replayed_token_of_mailgun_reports_nothing_else(kind: str) -> None:
    """Its body is not signed: the id of the report is the token, which counts once, whatever it came with."""
    callback = request(MAILGUN, mailgun(kind))
    data = json.loads(callback.body)
    data["event-data"]["event"] = "complained"
    read = reader_of(MAILGUN)
    [first] = await read(callback, NOW)
    [forged] = await read(changed(callback, body=json.dumps(data).encode()), NOW)
    assert forged.event_id == first.event_id
    for name in ("timestamp", "token", "signature"):
        for text in flips(str(data["signature"][name]).encode()):
            body = {**data, "signature": {**data["signature"], name: text.decode("latin-1")}}
            with pytest.raises(UnverifiedCallbackError):
                await read(changed(callback, body=json.dumps(body).encode()), NOW)


@pytest.mark.parametrize("recorded", [pytest.param(one, id=one.name) for one in SIGNED])
async def test_an_old_callback_and_one_of_the_future_are_refused(recorded: Recorded) -> None:
    body, _ = recorded.callbacks[0]
    read = reader_of(recorded)
    assert await read(request(recorded, body, timedelta(minutes=4)), NOW)
    for age in (timedelta(days=2), timedelta(minutes=-6), timedelta(days=-400)):
        with pytest.raises(UnverifiedCallbackError):
            await read(request(recorded, body, age), NOW)


@pytest.mark.parametrize("recorded", [pytest.param(one, id=one.name) for one in ALL if one.secret])
def test_without_a_callback_secret_there_is_no_reader(recorded: Recorded) -> None:
    settings = {"channel": recorded.channel, **recorded.settings}
    rule = ProviderRule(recorded.name, recorded.name, recorded.channel, settings)
    assert open_reader(rule, ProviderSecrets()) is None
    with pytest.raises(SecretRefusal):
        open_reader(replace(rule, settings=settings | HOOK), ProviderSecrets())


def test_every_reader_has_recorded_callbacks() -> None:
    # Those of texts are in test_text_readers.py; those of HubSpot name tasks, and those of the console are written by
    # the inbox: test_hubspot.py, test_console_reports.py.
    recorded = {"hubspot", "console", *(one.name for one in ALL), *TEXT_READERS}
    assert {kind.name for kind in PROVIDERS if kind.open_reader} == recorded


@pytest.mark.parametrize(
    "recorded", [POSTMARK, BREVO, RESEND, SENDGRID, LOB, CHATWOOT, INTERCOM], ids=lambda one: one.name
)
async def test_a_signed_body_that_is_not_of_the_form_is_said_to_be_so(recorded: Recorded) -> None:
    read = reader_of(recorded)
    for body in (7, "text"):
        with pytest.raises(InvalidRequestError):
            await read(request(recorded, body), NOW)


@pytest.mark.parametrize("recorded", NAMED)
async def test_strange_members_are_no_fault(recorded: Recorded) -> None:
    """A callback whose members are of other types is a report with less, or none."""
    body, _ = recorded.callbacks[0]
    read = reader_of(recorded)
    strange: Any
    for strange in (None, 7, [], {}, "x", 1e300, -1e18, 10**400, -(10**400), True, [[]]):
        for name in body[0] if isinstance(body, list) else body:
            made = [{**body[0], name: strange}] if isinstance(body, list) else {**body, name: strange}
            for report in await read(request(recorded, json.loads(json.dumps(made))), NOW):
                assert isinstance(report, ProviderReport)


async def test_a_foreign_topic_is_refused_before_anything_else(aws: Aws) -> None:
    read = reader_of(SES)
    foreign = publish("{}", NOW, TopicArn="arn:aws:sns:eu-west-1:999999999999:sojourn")
    with pytest.raises(UnverifiedCallbackError):
        await read(Callback("POST", "", {}, json.dumps(foreign).encode()), NOW)
    assert aws.fetched == []


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-0123456789abcdef.pem",
        "https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-0123456789abcdef.pem",
        "https://sns.eu-west-1.amazonaws.com/?Action=GetTopicAttributes",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem?n=1",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-0123456789abcdef.pem",
        "",
    ],
)
async def test_a_foreign_certificate_is_not_even_fetched(aws: Aws, url: str) -> None:
    signed = publish("{}", NOW, SigningCertURL=url)
    with pytest.raises(UnverifiedCallbackError):
        await reader_of(SES)(Callback("POST", "", {}, json.dumps(signed).encode()), NOW)
    assert aws.fetched == []


@pytest.mark.parametrize("version", ["1", "2"])
async def test_both_versions_of_signatures_are_verified_and_a_subject_is_signed(aws: Aws, version: str) -> None:
    event = json.dumps(SES.callbacks[1][0])
    read = reader_of(SES)
    signed = publish(event, NOW, version=version, Subject="Amazon SES Email Event Notification")
    assert len(await read(Callback("POST", "", {}, json.dumps(signed).encode()), NOW)) == 1
    for more in (
        {"Subject": "another"},
        {"SignatureVersion": "3"},
        {"SignatureVersion": "1" if version == "2" else "2"},
    ):
        with pytest.raises(UnverifiedCallbackError):
            await read(Callback("POST", "", {}, json.dumps(signed | more).encode()), NOW)
    # The certificate is fetched once.
    assert aws.fetched == [CERTIFICATE_URL]


def signed_by(name: str) -> Callback:
    url = f"https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{name}.pem"
    return Callback("POST", "", {}, json.dumps(publish("{}", NOW, SigningCertURL=url)).encode())


async def test_a_certificate_that_cannot_be_fetched_is_fetched_once(aws: Aws) -> None:
    read = reader_of(SES)
    await asyncio.gather(*(read(signed_by("ab"), NOW) for _ in range(10)), return_exceptions=True)
    with pytest.raises(UnavailableError):
        await read(signed_by("ab"), NOW)
    assert len(aws.fetched) == 1
    # A forged one that is too old is not looked at.
    with pytest.raises(UnverifiedCallbackError):
        await read(signed_by("cd"), NOW + timedelta(days=1))
    assert len(aws.fetched) == 1


async def test_forged_certificates_delay_none_that_is_known(aws: Aws) -> None:
    read = reader_of(SES)
    genuine = request(SES, SES.callbacks[0][0])
    assert await read(genuine, NOW)
    aws.answers.clear()
    forged = [asyncio.create_task(read(signed_by(f"{number:04}"), NOW)) for number in range(200)]
    await asyncio.sleep(0)
    # While few are fetched, and as many as may are waited for.
    assert await read(genuine, NOW)
    assert len(aws.fetched) <= 1 + MAX_FETCHES
    aws.answers.set()
    refused = await asyncio.gather(*forged, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in refused)
    assert len(aws.fetched) == 1 + MAX_WAITING_FETCHES
    assert aws.most_at_once <= MAX_FETCHES
    assert await read(genuine, NOW)


async def test_a_certificate_that_has_expired_is_refused(aws: Aws) -> None:
    aws.pages[CERTIFICATE_URL] = certificate(KEY, until=NOW - timedelta(days=1))
    with pytest.raises(UnverifiedCallbackError):
        await reader_of(SES)(request(SES, SES.callbacks[0][0]), NOW)


async def test_a_subscription_is_confirmed_under_the_same_rules(aws: Aws) -> None:
    read = reader_of(SES)
    said: dict[str, Any] = {"Type": "SubscriptionConfirmation", "Token": "2336412f37f", "SubscribeURL": SUBSCRIBE_URL}
    assert await read(Callback("POST", "", {}, json.dumps(publish("You have", NOW, **said)).encode()), NOW) == []
    assert aws.fetched == [CERTIFICATE_URL, SUBSCRIBE_URL]
    foreign = publish("You have", NOW, **(said | {"SubscribeURL": "https://evil.example/?Action=ConfirmSubscription"}))
    with pytest.raises(UnverifiedCallbackError):
        await read(Callback("POST", "", {}, json.dumps(foreign).encode()), NOW)
    assert aws.fetched == [CERTIFICATE_URL, SUBSCRIBE_URL]
    gone = publish("You left", NOW, **(said | {"Type": "UnsubscribeConfirmation"}))
    assert await read(Callback("POST", "", {}, json.dumps(gone).encode()), NOW) == []
    setup = publish("Successfully validated SNS topic for Amazon SES event publishing.", NOW)
    assert await read(Callback("POST", "", {}, json.dumps(setup).encode()), NOW) == []


async def test_while_aws_is_away_sns_is_to_repeat(aws: Aws) -> None:
    aws.pages.clear()
    with pytest.raises(UnavailableError):
        await reader_of(SES)(request(SES, SES.callbacks[0][0]), NOW)


def test_the_topic_of_the_tests_is_of_the_form_of_the_documents() -> None:
    assert sns_topic.TOPIC in SES.settings["topics"]
