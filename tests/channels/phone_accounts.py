"""An account at each provider of messages to phones, at a server on loopback."""

from channels.sms.api import PhoneApi
from channels.sms.twilio import Twilio

TOKEN = "token-of-the-account"
ACCOUNT = "AC" + "0" * 32
KEY = "SK" + "1" * 32
SERVICE = "MG" + "2" * 32
CALLBACK_URL = "https://sojourn.example.com/v1/callbacks/texts"
NAMES = ("twilio",)


def open_account(name: str, port: int, seconds: float = 30.0) -> PhoneApi:
    base = f"http://127.0.0.1:{port}"
    match name:
        case "twilio":
            sender = {"MessagingServiceSid": SERVICE}
            return Twilio(ACCOUNT, (KEY, TOKEN), sender, CALLBACK_URL, base, seconds)
    raise ValueError(name)
