"""An account at each provider of e-mail, at a server on loopback."""

from channels.aws_signature import AwsKey
from channels.email.api import EmailApi
from channels.email.brevo import Brevo
from channels.email.mailgun import Mailgun
from channels.email.postmark import Postmark
from channels.email.resend import Resend
from channels.email.sendgrid import SendGrid
from channels.email.ses import Ses

TOKEN = "token-of-the-account"
KEY = AwsKey("AKIDEXAMPLE", TOKEN, "eu-west-1", "ses")
NAMES = ("brevo", "mailgun", "postmark", "resend", "sendgrid", "ses")


def open_account(name: str, port: int, seconds: float = 30.0) -> EmailApi:
    base = f"http://127.0.0.1:{port}"
    match name:
        case "brevo":
            return Brevo(TOKEN, base, seconds)
        case "mailgun":
            return Mailgun("shop.example.com", TOKEN, base, seconds)
        case "postmark":
            return Postmark(TOKEN, "broadcast", base, seconds)
        case "resend":
            return Resend(TOKEN, base, seconds)
        case "sendgrid":
            return SendGrid(TOKEN, base, seconds)
        case "ses":
            return Ses(KEY, "sojourn", base, seconds)
    raise ValueError(name)
