"""E-mail by SMTP: build the message, send it, read the reply.

The dialogue runs one command at a time, so that a failure is known to be before or after the final dot, with which the
server takes charge of the message (RFC 5321, 4.1.1.4).
"""

import asyncio
import re
import socket
import ssl
from dataclasses import dataclass, replace
from enum import Enum
from typing import cast
from uuid import UUID

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPHeloError, SMTPResponseException, SMTPServerDisconnected

from channels.email.content import encode, read_content
from channels.email.dkim import DkimSigner
from channels.email.smtp_connections import SmtpConnection, SmtpConnections
from channels.email.status_codes import refuses_address
from channels.email.whole_mail import write_mail
from channels.provider_kind import ProviderContext, ProviderKind
from channels.tls import public_authorities
from domain.people.addresses import EmailAddress, parse_email
from domain.sending.delivery import Accepted, Ambiguous, Delivery, Never, Outbound, Rejected, Unavailable
from domain.sending.outbound_secrets import SecretRefusal
from domain.sending.providers.smtp import DkimModel, Security, SmtpModel
from domain.sending.receiving import ReceivingDomain

# A provider answers within seconds in its busiest hour; the whole must end within an activity's minute.
COMMAND_SECONDS = 20
TOTAL_SECONDS = 50

CLOSING = 421
_LOGIN_REQUIRED = frozenset({530, 534, 535, 538})
_PROVIDER_ID = re.compile(r"\b(?:queued as |id=)(\S+)", re.IGNORECASE)
_DETAIL_CHARACTERS = 300


class SmtpStep(Enum):
    """The step of the dialogue. From HANDED_OVER on, the outcome is unknown."""

    CONNECT = "connect"
    TLS = "starttls"
    LOGIN = "login"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    HANDED_OVER = "end of data"


_OF_MAIL = frozenset({SmtpStep.MAIL, SmtpStep.RCPT, SmtpStep.DATA, SmtpStep.HANDED_OVER})


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope and data. `needs_utf8`: an address has no ASCII form (RFC 6531)."""

    sender: str
    recipient: str
    needs_utf8: bool
    payload: bytes


@dataclass(slots=True)
class _Progress:
    step: SmtpStep = SmtpStep.CONNECT


class Smtp:
    """Hands messages to one SMTP server, on connections that are kept for a while.

    `security` is "tls" from the first byte, "starttls", which is never skipped, or "none". `dkim` signs the mails.
    Bounces come to an address of the message at `return_domain`, or else to the sender.
    `tls_context` replaces the machine's certificate authorities, for a server with a private one. `seconds` bounds a
    delivery as a whole.
    """

    name = "smtp"
    repeats = Never()

    def __init__(
        self,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        security: Security = "starttls",
        *,
        dkim: DkimSigner | None = None,
        return_domain: ReceivingDomain | None = None,
        tls_context: ssl.SSLContext | None = None,
        seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._host = host
        self._port = port
        self._username = username
        self._password = password
        self._security = security
        self._dkim = dkim
        self._return_domain = return_domain
        self._tls_context = tls_context or public_authorities()
        self._seconds = seconds
        self._connections = SmtpConnections(self._client)

    def account(self, message: Outbound) -> str:
        return self._host

    async def deliver(self, message: Outbound, address: str) -> Delivery:
        """Hand the message to the server."""
        recipient = parse_email(address)
        if recipient is None:
            return Rejected("invalid_address", "the recipient's address is not an e-mail address")
        try:
            envelope = await encode(message, lambda: self._write(message, recipient))
        except ValueError:
            return Rejected("invalid_message", "a header holds a control character, or a sender is not an address")
        progress = _Progress()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    connection = self._connections.take()
                    try:
                        return await self._send_by(connection, envelope, progress)
                    except (SMTPException, OSError) as error:
                        if not (connection.is_kept and _is_lost(progress.step, error)):
                            raise
        # ValueError: an answer may be undecodable, such as a login challenge that is not base64.
        except (SMTPException, OSError, ValueError) as error:
            return read_failure(progress.step, error, envelope.recipient)

    def _write(self, message: Outbound, recipient: EmailAddress) -> Envelope:
        """Build the message with its signature. Raises ValueError for invalid headers."""
        envelope = build(message, recipient)
        if self._return_domain is not None:
            envelope = replace(envelope, sender=self._return_domain.address("bounce", UUID(message.message_id)))
        if self._dkim is not None:
            envelope = replace(envelope, payload=self._dkim.sign(envelope.payload, message.at))
        return envelope

    async def close(self) -> None:
        self._connections.close()

    async def check(self) -> Unavailable | None:
        """Log in and quit without a message; return why that fails, else None."""
        progress = _Progress()
        smtp = self._client()
        try:
            async with asyncio.timeout(min(self._seconds, COMMAND_SECONDS)):
                await self._open(smtp, progress)
                await smtp.quit()
        except (SMTPException, OSError, ValueError) as error:
            failure = read_failure(progress.step, error, None)
            return failure if isinstance(failure, Unavailable) else Unavailable("connection", str(failure))
        finally:
            smtp.close()
        return None

    def _client(self) -> SMTP:
        return SMTP(
            hostname=self._host,
            port=self._port,
            local_hostname=_own_name(),
            timeout=COMMAND_SECONDS,
            use_tls=self._security == "tls",
            start_tls=False,
            tls_context=self._tls_context,
        )

    async def _open(self, smtp: SMTP, progress: _Progress) -> None:
        await smtp.connect()
        if self._security == "starttls":
            progress.step = SmtpStep.TLS
            await smtp.starttls()
        await _greet(smtp)
        if self._username is not None:
            progress.step = SmtpStep.LOGIN
            await smtp.login(self._username, self._password or "")

    async def _send_by(self, connection: SmtpConnection, envelope: Envelope, progress: _Progress) -> Delivery:
        """Send a mail by a connection, and keep that if the server may take another."""
        is_reusable = False
        try:
            if not connection.is_kept:
                progress.step = SmtpStep.CONNECT
                await self._open(connection.smtp, progress)
            delivery = await self._send(connection, envelope, progress)
            is_reusable = True
        except SMTPResponseException as error:
            is_reusable = progress.step in _OF_MAIL and error.code not in _LOGIN_REQUIRED | {CLOSING}
            connection.needs_reset = progress.step is not SmtpStep.HANDED_OVER
            raise
        finally:
            if is_reusable:
                self._connections.give_back(connection)
            else:
                connection.smtp.close()
        return delivery

    async def _send(self, connection: SmtpConnection, envelope: Envelope, progress: _Progress) -> Delivery:
        smtp = connection.smtp
        if connection.needs_reset:
            progress.step = SmtpStep.MAIL
            await _reset(connection)
        if envelope.needs_utf8 and not smtp.supports_extension("smtputf8"):
            return Rejected("invalid_address", "the address needs SMTPUTF8, which the server does not offer")
        encoding, options = ("utf-8", ["SMTPUTF8"]) if envelope.needs_utf8 else ("ascii", [])
        progress.step = SmtpStep.MAIL
        await smtp.mail(envelope.sender, options=options, encoding=encoding)
        progress.step = SmtpStep.RCPT
        await smtp.rcpt(envelope.recipient, encoding=encoding)
        progress.step = SmtpStep.DATA
        reply = await smtp.execute_command(b"DATA")
        if reply.code != 354:
            raise SMTPDataError(reply.code, reply.message)
        return await _hand_over(smtp, envelope, progress)


def build(message: Outbound, recipient: EmailAddress) -> Envelope:
    """Build the message and envelope. Raises ValueError for invalid headers."""
    content = read_content(message, recipient)
    reply_to = content.reply_to
    addresses = [recipient, content.sender.address, *([reply_to.address] if reply_to else [])]
    needs_utf8 = any(address.ascii is None for address in addresses)
    return Envelope(content.sender.address.spelling, recipient.spelling, needs_utf8, write_mail(content, message))


async def _greet(smtp: SMTP) -> None:
    try:
        await smtp.ehlo()
    except SMTPHeloError:
        await smtp.helo()


async def _reset(connection: SmtpConnection) -> None:
    try:
        await connection.smtp.rset()
    except SMTPResponseException as error:
        raise SMTPServerDisconnected(f"RSET was refused: {error.code}") from error
    connection.needs_reset = False


def _is_lost(step: SmtpStep, error: Exception) -> bool:
    """Whether the server has closed a kept connection, and has nothing of this mail."""
    if step is SmtpStep.HANDED_OVER:
        return False
    return error.code == CLOSING if isinstance(error, SMTPResponseException) else True


async def _hand_over(smtp: SMTP, envelope: Envelope, progress: _Progress) -> Delivery:
    # uvloop, on which the API runs, has transports of its own classes.
    protocol, transport = smtp.protocol, cast("asyncio.WriteTransport | None", smtp.transport)
    if protocol is None or transport is None:
        raise SMTPServerDisconnected("Connection lost")
    # The dot is written after all data has left this process: a connection lost before that is certainly a message not
    # delivered, whatever its size.
    transport.set_write_buffer_limits(0)
    # All lines end with CRLF, and the first one begins a header. A regular expression takes ten times as long.
    protocol.write(envelope.payload.replace(b"\r\n.", b"\r\n.."))
    await protocol._drain_helper()
    protocol.write(b".\r\n")
    progress.step = SmtpStep.HANDED_OVER
    reply = await protocol.read_response()
    if 200 <= reply.code < 300:
        found = _PROVIDER_ID.search(reply.message)
        return Accepted(found[1].rstrip(".,;)") if found else None)
    raise SMTPDataError(reply.code, reply.message)


def read_failure(step: SmtpStep, error: Exception, recipient: str | None) -> Delivery:
    """Return the outcome of a failure at this step, without the recipient's address."""
    if isinstance(error, SMTPResponseException) and 400 <= error.code < 600:
        return _read_refusal(step, error, f"{step.value}: {error.code} {_tidy(error.message, recipient)}")
    cause = str(error) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
    detail = f"{step.value}: {_tidy(cause, recipient)}"
    if step is SmtpStep.HANDED_OVER:
        return Ambiguous(detail)
    if step is SmtpStep.TLS or isinstance(error.__cause__, ssl.SSLError):
        return Unavailable("tls", detail)
    return Unavailable("login" if step is SmtpStep.LOGIN else "connection", detail)


def _read_refusal(step: SmtpStep, error: SMTPResponseException, detail: str) -> Delivery:
    code = error.code
    # A server that refuses our login says nothing about the recipient.
    if code in _LOGIN_REQUIRED or step is SmtpStep.LOGIN:
        return Unavailable("login", detail)
    if step in {SmtpStep.CONNECT, SmtpStep.TLS}:
        return Unavailable("connection" if step is SmtpStep.CONNECT else "tls", detail)
    if code < 500:
        return Unavailable("deferred", detail)
    refused = {SmtpStep.MAIL: "sender_refused", SmtpStep.RCPT: "recipient_refused"}
    is_of_address = step is SmtpStep.RCPT and refuses_address(error.message)
    return Rejected(refused.get(step, "message_refused"), detail, "address" if is_of_address else "message")


def _tidy(text: str, recipient: str | None) -> str:
    hidden = text if recipient is None else re.sub(re.escape(recipient), "(recipient)", text, flags=re.IGNORECASE)
    return " ".join(hidden.split())[:_DETAIL_CHARACTERS]


def _own_name() -> str:
    # RFC 5321 requires an address literal if there is no full name; looking one up could block on the resolver.
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def open_smtp(settings: SmtpModel, context: ProviderContext) -> Smtp:
    """Open a server of the document; no connection is made yet."""
    reference = settings.password
    return Smtp(
        host=settings.host,
        port=settings.port,
        username=settings.username,
        password=None if reference is None else context.secrets.for_host(reference, settings.host),
        security=settings.security,
        dkim=None if settings.dkim is None else _open_signer(settings.dkim, context),
        return_domain=_find_return_domain(settings.return_domain, context),
    )


def _open_signer(settings: DkimModel, context: ProviderContext) -> DkimSigner:
    pem = context.secrets.for_own_use(settings.key)
    try:
        return DkimSigner.read(settings.domain, settings.selector, pem)
    except ValueError as error:
        raise SecretRefusal("secret_refused", f"the DKIM key {settings.key} is of no use: {error}") from error


def open_default(context: ProviderContext) -> Smtp:
    """Open the server of the settings; no connection is made yet."""
    return_domain = _find_return_domain(context.smtp.get("return_domain"), context)
    return Smtp(**{**context.smtp, "return_domain": return_domain})


def _find_return_domain(domain: str | None, context: ProviderContext) -> ReceivingDomain | None:
    # The check of a mail server sends nothing, and has no secrets.
    return ReceivingDomain(domain, tuple(context.link_secrets)) if domain and context.link_secrets else None


KIND = ProviderKind(SmtpModel, open_smtp, open_default)
