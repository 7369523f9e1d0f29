"""Callbacks of e-mail APIs as their pages show them, and their reports."""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from standardwebhooks import Webhook

from domain.sending.reports import Bounce
from tests.channels.recorded_callbacks import HAPPENED, LINK, MESSAGE, SECRET, Recorded, Told

SVIX_KEY = "whsec_" + b64encode(b"a key of the tests, of 32 bytes.").decode()
_EC_KEY = ec.generate_private_key(ec.SECP256R1())


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    """The public key, as SendGrid shows it."""
    return b64encode(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def with_basic(body: bytes, _at: datetime) -> tuple[bytes, Mapping[str, str]]:
    return body, {"authorization": "Basic " + b64encode(f"sojourn:{SECRET}".encode()).decode()}


def with_bearer(body: bytes, _at: datetime) -> tuple[bytes, Mapping[str, str]]:
    return body, {"authorization": f"Bearer {SECRET}"}


def by_svix(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    id = "msg_" + sha256(body).hexdigest()[:20]
    signature = Webhook(SVIX_KEY).sign(id, at, body.decode())
    # The second is that of a key which is being replaced.
    return body, {
        "svix-id": id,
        "svix-timestamp": str(int(at.timestamp())),
        "svix-signature": f"v1,{b64encode(b'0' * 32).decode()} {signature}",
    }


def by_sendgrid(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    time = str(int(at.timestamp()))
    signature = b64encode(_EC_KEY.sign(time.encode() + body, ec.ECDSA(SHA256()))).decode()
    prefix = "x-twilio-email-event-webhook-"
    return body, {f"{prefix}signature": signature, f"{prefix}timestamp": time}


def by_mailgun(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    time, token = str(int(at.timestamp())), sha256(body).hexdigest()[:50]
    digest = hmac.new(SECRET.encode(), (time + token).encode(), "sha256").hexdigest()
    signature = {"timestamp": time, "token": token, "signature": digest}
    return json.dumps({"signature": signature, **json.loads(body)}).encode(), {}


def postmark(record: str, time: str, **more: Any) -> dict[str, Any]:
    return {
        "RecordType": record,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Recipient": "john@example.com",
        "Metadata": {"message_id": str(MESSAGE)},
        "MessageStream": "outbound",
        time: "2026-12-01T11:59:00.0000000Z",
        **more,
    }


def bounce_of_postmark(type: str) -> dict[str, Any]:
    return postmark(
        "Bounce",
        "BouncedAt",
        ID=4323372036854775807 + sum(type.encode()),
        Type=type,
        Email="john@example.com",
        Inactive=True,
    )


POSTMARK = Recorded(
    "postmark",
    {"kind": "postmark", "token": {"env": "SOJOURN_SECRET_TOKEN"}},
    SECRET,
    "another-secret-of-the-tests",
    with_basic,
    [
        (postmark("Delivery", "DeliveredAt", Details="Test delivery webhook details"), Told("delivered")),
        (bounce_of_postmark("HardBounce"), Told("bounced", "hard")),
        (bounce_of_postmark("Transient"), Told("bounced", "soft")),
        (bounce_of_postmark("SoftBounce"), Told("bounced", "soft")),
        (bounce_of_postmark("SpamNotification"), Told("bounced", "content")),
        (bounce_of_postmark("Blocked"), Told("bounced", "content")),
        (bounce_of_postmark("DMARCPolicy"), Told("bounced", "content")),
        (bounce_of_postmark("SpamComplaint"), Told("complained")),
        (bounce_of_postmark("AutoResponder"), None),
        (postmark("SpamComplaint", "BouncedAt", ID=42, Type="SpamComplaint"), Told("complained")),
        (
            postmark("Open", "ReceivedAt", FirstOpen=True, UserAgent="Mozilla/5.0"),
            Told("opened", user_agent="Mozilla/5.0"),
        ),
        (postmark("Click", "ReceivedAt", ClickLocation="HTML", OriginalLink=LINK), Told("clicked", link=LINK)),
        (
            postmark("SubscriptionChange", "ChangedAt", SuppressSending=True, SuppressionReason="ManualSuppression"),
            Told("unsubscribed"),
        ),
        (postmark("SubscriptionChange", "ChangedAt", SuppressSending=True, SuppressionReason="HardBounce"), None),
        (postmark("SubscriptionChange", "ChangedAt", SuppressSending=False, SuppressionReason=None), None),
        (postmark("Inbound", "Date"), None),
    ],
    is_timed=False,
    is_body_signed=False,
)


def resend(type: str, **data: Any) -> dict[str, Any]:
    return {
        "type": type,
        "created_at": "2026-12-01T11:59:00.000Z",
        "data": {
            "created_at": "2026-12-01T11:00:00.000Z",
            "email_id": "56761188-7520-42d8-8898-ff6fc54ce618",
            "from": "Acme <onboarding@resend.dev>",
            "to": ["john@example.com"],
            "subject": "Sending this example",
            "tags": {"message_id": str(MESSAGE)},
            **data,
        },
    }


def bounce_of_resend(type: str, sub_type: str) -> dict[str, Any]:
    return resend("email.bounced", bounce={"message": "The recipient's …", "type": type, "subType": sub_type})


RESEND = Recorded(
    "resend",
    {"kind": "resend", "token": {"env": "SOJOURN_SECRET_TOKEN"}},
    SVIX_KEY,
    "whsec_" + b64encode(b"another key of the tests, longer").decode(),
    by_svix,
    [
        (resend("email.sent"), Told("accepted")),
        (resend("email.delivered"), Told("delivered")),
        (resend("email.delivered", tags=[{"name": "message_id", "value": str(MESSAGE)}]), Told("delivered")),
        (resend("email.delivery_delayed"), Told("deferred")),
        (resend("email.opened"), Told("opened")),
        (
            resend("email.clicked", click={"ipAddress": "122.115.53.11", "link": LINK, "userAgent": "Mozilla/5.0"}),
            Told("clicked", link=LINK, user_agent="Mozilla/5.0"),
        ),
        (bounce_of_resend("Permanent", "General"), Told("bounced", "hard")),
        (bounce_of_resend("Transient", "MailboxFull"), Told("bounced", "soft")),
        (bounce_of_resend("Transient", "ContentRejected"), Told("bounced", "content")),
        (bounce_of_resend("Undetermined", "Undetermined"), Told("bounced", "soft")),
        (resend("email.complained"), Told("complained")),
        (resend("email.failed", failed={"reason": "reached_daily_quota"}), Told("failed")),
        (resend("email.suppressed", suppressed={"message": "…"}), Told("bounced", "hard")),
        ({"type": "contact.created", "created_at": "2026-12-01T11:59:00.000Z", "data": {}}, None),
    ],
)


def sendgrid(event: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "email": "john@example.com",
            "timestamp": int(HAPPENED.timestamp()),
            "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
            "event": event,
            "category": ["cat facts"],
            "sg_event_id": sha256(repr((event, more)).encode()).hexdigest()[:20],
            "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "message_id": str(MESSAGE),
            **more,
        }
    ]


SENDGRID = Recorded(
    "sendgrid",
    {"kind": "sendgrid", "token": {"env": "SOJOURN_SECRET_TOKEN"}},
    _public(_EC_KEY),
    _public(ec.generate_private_key(ec.SECP256R1())),
    by_sendgrid,
    [
        (sendgrid("processed"), Told("accepted")),
        (sendgrid("deferred", response="400 try again later", attempt="5"), Told("deferred")),
        (sendgrid("delivered", response="250 OK"), Told("delivered")),
        (sendgrid("open", sg_machine_open=False, useragent="Mozilla/4.0"), Told("opened", user_agent="Mozilla/4.0")),
        (sendgrid("open", sg_machine_open=True), Told("opened", is_machine=True)),
        (sendgrid("click", url=LINK, url_offset={"index": 0, "type": "html"}), Told("clicked", link=LINK)),
        (sendgrid("bounce", type="bounce", status="5.1.1", reason="500 unknown recipient"), Told("bounced", "hard")),
        (sendgrid("bounce", type="blocked", bounce_classification="Technical"), Told("bounced", "soft")),
        (sendgrid("bounce", type="blocked", bounce_classification="Content"), Told("bounced", "content")),
        (sendgrid("dropped", reason="Bounced Address", status="5.0.0"), Told("bounced", "hard")),
        (sendgrid("dropped", reason="Unsubscribed Address"), Told("unsubscribed")),
        (sendgrid("dropped", reason="Spam Reporting Address"), Told("complained")),
        (sendgrid("dropped", reason="Invalid SMTPAPI header"), Told("failed")),
        (sendgrid("spamreport"), Told("complained")),
        (sendgrid("unsubscribe"), Told("unsubscribed")),
        (sendgrid("group_unsubscribe", asm_group_id=10), Told("unsubscribed")),
        (sendgrid("group_resubscribe", asm_group_id=10), None),
    ],
)


def mailgun(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event-data": {
            "id": "G9Bn5sl1TC6nu79C8C0bwg",
            "timestamp": HAPPENED.timestamp(),
            "event": event,
            "recipient": "john@example.com",
            "message": {"headers": {"message-id": "20130503182626.18666.16540@example.com"}},
            "user-variables": {"message_id": str(MESSAGE)},
            **more,
        }
    }


JUDGED: Mapping[str, Bounce] = {"": "hard", "5.1.1": "hard", "5.2.2": "soft", "5.7.1": "content"}
MAILGUN = Recorded(
    "mailgun",
    {"kind": "mailgun", "domain": "example.com", "token": {"env": "SOJOURN_SECRET_TOKEN"}},
    SECRET,
    "another-secret-of-the-tests",
    by_mailgun,
    [
        (mailgun("accepted"), Told("accepted")),
        (mailgun("delivered", **{"delivery-status": {"code": 250}}), Told("delivered")),
        (mailgun("opened", **{"client-info": {"client-type": "mobile browser", "bot": ""}}), Told("opened")),
        (mailgun("opened", **{"client-info": {"bot": "apple"}}), Told("opened", is_machine=True)),
        (
            mailgun("clicked", url=LINK, **{"client-info": {"user-agent": "Mozilla/5.0"}}),
            Told("clicked", link=LINK, user_agent="Mozilla/5.0"),
        ),
        (mailgun("failed", severity="permanent", reason="suppress-bounce"), Told("bounced", "hard")),
        (
            mailgun("failed", severity="permanent", reason="generic", **{"delivery-status": {"code": 550}}),
            Told("bounced", "hard"),
        ),
        *(
            (
                mailgun(
                    "failed",
                    severity="permanent",
                    reason="generic",
                    **{"delivery-status": {"code": 550, "enhanced-code": status}},
                ),
                Told("bounced", bounce),
            )
            for status, bounce in JUDGED.items()
        ),
        (mailgun("failed", severity="permanent", reason="espblock"), Told("bounced", "content")),
        (mailgun("failed", severity="permanent", reason="old"), Told("bounced", "soft")),
        (mailgun("failed", severity="permanent", reason="suppress-complaint"), Told("complained")),
        (mailgun("failed", severity="permanent", reason="suppress-unsubscribe"), Told("unsubscribed")),
        (mailgun("failed", severity="temporary", reason="generic"), Told("deferred")),
        (mailgun("complained"), Told("complained")),
        (mailgun("unsubscribed"), Told("unsubscribed")),
        (mailgun("rejected", reject={"reason": "Sandbox subdomains are for test purposes only."}), Told("failed")),
        (mailgun("stored"), Told("other")),
    ],
    is_body_signed=False,
)


def brevo(event: str, **more: Any) -> dict[str, Any]:
    return {
        "event": event,
        "email": "john@example.com",
        "id": 26224,
        # In the zone of the account.
        "date": "2026-12-01 06:59:00",
        "ts": 1, "ts_event": 1,
        "ts_epoch": int(HAPPENED.timestamp() * 1000),
        "message-id": "<201798300811.5787683@relay.domain.com>",
        "X-Mailin-custom": str(MESSAGE),
        **more,
    }  # fmt: skip


BREVO = Recorded(
    "brevo",
    {"kind": "brevo", "token": {"env": "SOJOURN_SECRET_TOKEN"}},
    SECRET,
    "another-secret-of-the-tests",
    with_bearer,
    [
        (brevo("request"), Told("accepted")),
        (brevo("delivered"), Told("delivered")),
        (brevo("deferred", reason="server is down"), Told("deferred")),
        (brevo("opened"), Told("opened")),
        (brevo("unique_opened"), Told("opened")),
        (brevo("proxy_open"), Told("opened", is_machine=True)),
        (brevo("unique_proxy_open"), Told("opened", is_machine=True)),
        (brevo("click", link=LINK), Told("clicked", link=LINK)),
        (brevo("hard_bounce", reason="server is down"), Told("bounced", "hard")),
        (brevo("invalid_email"), Told("bounced", "hard")),
        (brevo("soft_bounce"), Told("bounced", "soft")),
        (brevo("spam"), Told("complained")),
        (brevo("unsubscribed"), Told("unsubscribed")),
        (brevo("blocked"), Told("failed")),
        (brevo("error"), Told("failed")),
        (brevo("list_addition"), None),
    ],
    is_timed=False,
    is_body_signed=False,
)
