"""The registry of providers. A new one is a module in its folder, and here."""

from collections.abc import Mapping
from dataclasses import replace

from channels import console
from channels.calendars.registry import CALENDARS
from channels.call import hubspot
from channels.chat import chatwoot, intercom
from channels.email import brevo, mailgun, postmark, resend, sendgrid, ses, smtp
from channels.in_app import inbox
from channels.post import lob
from channels.provider_kind import ProviderContext, ProviderKind, ReaderOpener
from channels.push import apns, fcm, web_push
from channels.slack import slack
from channels.sms import aws_sms, twilio, vonage
from channels.webhook import http
from channels.whatsapp import cloud
from domain.errors import InvalidRequestError
from domain.sending.bookings import CalendarRule
from domain.sending.delivery import ManagedProvider
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.provider_secrets import ProviderSecrets
from domain.sending.reports import ReportReader
from domain.sending.routes import ProviderRule

PROVIDERS: tuple[ProviderKind, ...] = (
    smtp.KIND,
    brevo.KIND,
    mailgun.KIND,
    postmark.KIND,
    resend.KIND,
    sendgrid.KIND,
    ses.KIND,
    lob.KIND,
    slack.KIND,
    twilio.KIND,
    vonage.KIND,
    aws_sms.KIND,
    cloud.KIND,
    chatwoot.KIND,
    intercom.KIND,
    hubspot.KIND,
    fcm.KIND,
    apns.KIND,
    web_push.KIND,
    http.KIND,
    inbox.KIND,
    console.KIND,
)


def open_provider(rule: ProviderRule, context: ProviderContext) -> ManagedProvider:
    """Open a provider of the document, or a channel's default one.

    No connection is made. Raises InvalidRequestError for a secret that it may not use, and for a kind or a setting
    that this build does not know.
    """
    kind = {kind.name: kind for kind in PROVIDERS}.get(rule.kind)
    if kind is None:
        raise InvalidRequestError(f"the provider {rule.name}: this build has no kind `{rule.kind}`")
    if not rule.settings and kind.open_default is not None:
        return kind.open_default(context)
    try:
        callback_url = f"{context.callback_url}/{rule.name}"
        return kind.open(rule.model(), replace(context, callback_url=callback_url))
    except SecretRefusal as refusal:
        raise InvalidRequestError(f"the provider {rule.name}: {refusal.detail}") from refusal
    except ValueError as error:
        raise InvalidRequestError(f"the provider {rule.name}: its settings are not those of this build") from error


def open_reader(rule: ProviderRule | CalendarRule, secrets: ProviderSecrets) -> ReportReader | None:
    """Open the reader of an account's callbacks; None if its kind sends none.

    Raises SecretRefusal for a secret that is missing.
    """
    openers: dict[str, ReaderOpener | None] = {
        **{kind.name: kind.open_reader for kind in PROVIDERS},
        **{kind.name: kind.open_reader for kind in CALENDARS},
    }
    opener = openers.get(rule.kind)
    return None if opener is None else opener(rule.model(), secrets)


def answer_challenge(
    rule: ProviderRule | CalendarRule, query: Mapping[str, str], secrets: ProviderSecrets
) -> str | None:
    """Answer the query by which a provider verifies the address of its callbacks.

    Returns None if it asks nothing. Raises UnverifiedCallbackError, and SecretRefusal for a secret that is missing.
    """
    kind = {kind.name: kind for kind in PROVIDERS}.get(rule.kind)
    if kind is None or kind.answer_challenge is None:
        return None
    return kind.answer_challenge(rule.model(), secrets, query)
