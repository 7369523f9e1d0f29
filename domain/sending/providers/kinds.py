"""The registry of providers' settings. A new kind is a module here and a line."""

from domain.sending.providers.apns import ApnsModel
from domain.sending.providers.aws_sms import AwsSmsModel
from domain.sending.providers.brevo import BrevoModel
from domain.sending.providers.chatwoot import ChatwootModel
from domain.sending.providers.console import ConsoleModel
from domain.sending.providers.fcm import FcmModel
from domain.sending.providers.http import HttpModel
from domain.sending.providers.hubspot import HubspotModel
from domain.sending.providers.intercom import IntercomModel
from domain.sending.providers.lob import LobModel
from domain.sending.providers.mailgun import MailgunModel
from domain.sending.providers.model import ProviderModel
from domain.sending.providers.postmark import PostmarkModel
from domain.sending.providers.resend import ResendModel
from domain.sending.providers.sendgrid import SendGridModel
from domain.sending.providers.ses import SesModel
from domain.sending.providers.slack import SlackModel
from domain.sending.providers.smtp import SmtpModel
from domain.sending.providers.twilio import TwilioModel
from domain.sending.providers.vonage import VonageModel
from domain.sending.providers.web_push import WebPushModel
from domain.sending.providers.whatsapp import WhatsAppModel

PROVIDER_MODELS: tuple[type[ProviderModel], ...] = (
    SmtpModel,
    BrevoModel,
    MailgunModel,
    PostmarkModel,
    ResendModel,
    SendGridModel,
    SesModel,
    LobModel,
    SlackModel,
    TwilioModel,
    VonageModel,
    AwsSmsModel,
    WhatsAppModel,
    ChatwootModel,
    IntercomModel,
    HubspotModel,
    FcmModel,
    ApnsModel,
    WebPushModel,
    HttpModel,
    ConsoleModel,
)


def provider_model(kind: str) -> type[ProviderModel]:
    """Return the settings of a kind. Raises KeyError."""
    return {model.name: model for model in PROVIDER_MODELS}[kind]
