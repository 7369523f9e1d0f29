"""An account at each provider of messages to phones, at a server on loopback."""

from cryptography.hazmat.primitives.asymmetric import rsa

from channels.aws_signature import AwsKey
from channels.phone_api import PhoneApi
from channels.sms.aws_sms import AwsSms
from channels.sms.twilio import Twilio
from channels.sms.vonage import Vonage
from channels.whatsapp.cloud import WhatsAppCloud

TOKEN = "token-of-the-account"
ACCOUNT = "AC" + "0" * 32
KEY = "SK" + "1" * 32
SERVICE = "MG" + "2" * 32
CALLBACK_URL = "https://sojourn.example.com/v1/callbacks/texts"
APPLICATION = "aaaaaaaa-bbbb-cccc-dddd-0123456789ab"
RSA_KEY = rsa.generate_private_key(65537, 2048)
AWS_KEY = AwsKey("AKIDEXAMPLE", TOKEN, "eu-west-1", "sms-voice")
NAMES = ("twilio", "vonage", "aws_sms", "whatsapp")


def open_account(name: str, port: int, seconds: float = 30.0) -> PhoneApi:
    base = f"http://127.0.0.1:{port}"
    match name:
        case "twilio":
            sender = {"MessagingServiceSid": SERVICE}
            return Twilio(ACCOUNT, (KEY, TOKEN), sender, CALLBACK_URL, base, seconds)
        case "vonage":
            return Vonage(APPLICATION, RSA_KEY, "+447700900000", CALLBACK_URL, base, seconds)
        case "aws_sms":
            return AwsSms(AWS_KEY, "+447700900000", "sojourn", base, seconds)
        case "whatsapp":
            return WhatsAppCloud(TOKEN, "106540352242922", base, seconds)
    raise ValueError(name)
