"""A topic of SNS with a key of its own, and the events of SES that it publishes."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.channels.recorded_callbacks import LINK, MESSAGE, NOW, Recorded, Told

TOPIC = "arn:aws:sns:eu-west-1:123456789012:sojourn"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL = f"https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37f"


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


KEY = new_key()


def certificate(key: rsa.RSAPrivateKey, until: datetime = NOW + timedelta(days=30)) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW - timedelta(days=60)).not_valid_after(until)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def publish(
    message: str, at: datetime, *, key: rsa.RSAPrivateKey = KEY, version: str = "2", **changed: Any
) -> dict[str, Any]:
    """A signed notification, or another type of message by `Type`."""
    time = at.strftime("%Y-%m-%dT%H:%M:%S.") + "000Z"
    sent: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": sha256(message.encode()).hexdigest()[:32],
        "TopicArn": TOPIC,
        "Message": message,
        "Timestamp": time,
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **changed,
    }
    lines = [sent["Message"], sent["MessageId"]]
    names = ["Message", "MessageId"]
    if sent["Type"] == "Notification":
        names += ["Subject"] if "Subject" in sent else []
        names += ["Timestamp", "TopicArn", "Type"]
    else:
        names += ["SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    lines = [line for name in names for line in (name, sent[name])]
    text = ("\n".join(lines) + "\n").encode()
    sent["Signature"] = b64encode(
        key.sign(text, padding.PKCS1v15(), SHA256() if version == "2" else SHA1())  # noqa: S303 -- as SNS does
    ).decode()
    return sent


def by_sns(body: bytes, at: datetime) -> tuple[bytes, Mapping[str, str]]:
    headers = {"content-type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"}
    return json.dumps(publish(body.decode(), at)).encode(), headers


def ses(type: str, member: str, **more: Any) -> dict[str, Any]:
    return {
        "eventType": type,
        "mail": {
            "timestamp": "2026-12-01T11:00:00.000Z",
            "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
            "destination": ["john@example.com"],
            "tags": {"ses:configuration-set": ["sojourn"], "message_id": [str(MESSAGE)]},
        },
        member: {"timestamp": "2026-12-01T11:59:00.000Z", **more},
    }


def bounce(type: str, sub_type: str, diagnostic: str = "smtp; 550 user unknown") -> dict[str, Any]:
    recipients = [{"emailAddress": "john@example.com", "action": "failed", "diagnosticCode": diagnostic}]
    return ses("Bounce", "bounce", bounceType=type, bounceSubType=sub_type, bouncedRecipients=recipients)


def headed() -> dict[str, Any]:
    """An event of a mail by SMTP, without tags: the id is in its headers."""
    event = ses("Delivery", "delivery")
    event["mail"] |= {"tags": {}, "headers": [{"name": "X-Sojourn-Message", "value": str(MESSAGE)}]}
    event["notificationType"] = event.pop("eventType")
    return event


SES = Recorded(
    "ses",
    {
        "kind": "ses",
        "region": "eu-west-1",
        "key": {"env": "SOJOURN_SECRET_TOKEN"},
        "secret": {"env": "SOJOURN_SECRET_TOKEN"},
        "topics": [TOPIC],
    },
    "",
    "",
    by_sns,
    [
        (ses("Send", "send"), Told("accepted")),
        (ses("Delivery", "delivery"), Told("delivered")),
        (headed(), Told("delivered")),
        (ses("DeliveryDelay", "deliveryDelay", delayType="TransientCommunicationFailure"), Told("deferred")),
        (ses("Open", "open", userAgent="Mozilla/5.0"), Told("opened", user_agent="Mozilla/5.0")),
        (ses("Click", "click", link=LINK), Told("clicked", link=LINK)),
        (bounce("Permanent", "General"), Told("bounced", "hard")),
        (bounce("Permanent", "OnAccountSuppressionList"), Told("bounced", "hard")),
        (bounce("Transient", "MailboxFull"), Told("bounced", "soft")),
        (bounce("Transient", "General", "smtp; 550 4.4.7 Message expired"), Told("bounced", "hard")),
        (bounce("Transient", "MessageTooLarge"), Told("bounced", "content")),
        (bounce("Transient", "ContentRejected"), Told("bounced", "content")),
        (bounce("Transient", "AttachmentRejected"), Told("bounced", "content")),
        (bounce("Undetermined", "Undetermined"), Told("bounced", "soft")),
        (ses("Complaint", "complaint", complaintFeedbackType="abuse"), Told("complained")),
        (ses("Complaint", "complaint", complaintFeedbackType="not-spam"), None),
        (ses("Subscription", "subscription", source="UnsubscribeHeader"), Told("unsubscribed")),
        (ses("Reject", "reject", reason="Bad content"), Told("failed")),
        (ses("Rendering Failure", "failure", templateName="none"), Told("failed")),
        (ses("Other", "other"), None),
    ],
)
