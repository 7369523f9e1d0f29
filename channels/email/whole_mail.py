"""A whole mail, for providers that take one."""

from channels.email import mail_format
from channels.email.content import EmailContent
from channels.email.mail_format import AttachedFile, Mail, NamedAddress
from domain.people.addresses import Mailbox
from domain.sending.delivery import Outbound


def write_mail(content: EmailContent, message: Outbound) -> bytes:
    """Return a mail with all its headers. Raises ValueError for invalid headers."""
    # The same for every attempt, so that mailboxes that compare it show a repeated message once.
    message_id = ("Message-ID", f"<{message.message_id}@{content.sender.address.ascii_domain}>")
    mail = Mail(
        subject=content.subject,
        sender=_named_address(content.sender),
        recipient=NamedAddress("", content.recipient.spelling),
        reply_to=None if content.reply_to is None else _named_address(content.reply_to),
        date=message.at,
        tokens=[message_id, *content.headers.items()],
        text=content.text,
        html=content.html,
        attachments=[AttachedFile(each.name, each.media_type, each.base64) for each in content.attachments],
    )
    return mail_format.write(mail)


def _named_address(mailbox: Mailbox) -> NamedAddress:
    return NamedAddress(mailbox.name, mailbox.address.spelling)
